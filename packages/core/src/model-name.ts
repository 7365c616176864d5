/** What needs no change: most names that arrive, and every one that was made canonical before. */
const canonical = /^[a-z0-9._-]+(?::(?!(?:latest|local)$)[a-z0-9._-]+)?$/;

/**
 * One name for one model. Ollama matches names without regard to case and fills in a registry, a namespace and a tag,
 * so `llama3.2`, ` Llama3.2:latest` and `registry.ollama.ai/library/llama3.2` are the same weights and must share limits.
 */
export function canonicalModel(name: string): string {
  if (canonical.test(name)) return name;
  let model = name.trim().toLowerCase();
  // Whatever stands before `://` is passed over by Ollama, not only http and https.
  model = model.replace(/^[^/]*:\/\//, '').replace(/^registry\.ollama\.ai\//, '');
  model = model.replace(/^library\//, '');
  model = model.replace(/:local$/, '').replace(/:latest$/, '');
  return model;
}

/** Whether Ollama would forward this model to the account of its host: a tag that is `cloud` or ends in `-cloud`. */
export function isCloudModel(name: string): boolean {
  const tag = name.trim().toLowerCase().split(':').slice(1).join(':');
  return tag === 'cloud' || tag.endsWith(':cloud') || tag.endsWith('-cloud');
}

/**
 * Whether a model fits a pattern, in any spelling of it: one without a tag has the default tag, so `codellama:*` is about it too.
 * Both are canonical.
 */
export function matchesModel(pattern: string, model: string): boolean {
  if (matchesPattern(pattern, model)) return true;
  // Only a star can stand for the tag, and a pattern that is asked for in place of a model stands for every tag already.
  if (!pattern.includes('*') || model === '' || model.includes('*')) return false;
  return !hasTag(model) && matchesPattern(pattern, `${model}:latest`);
}

/** A colon before the last slash is that of a port. */
function hasTag(model: string): boolean {
  return model.lastIndexOf(':') > model.lastIndexOf('/');
}

/** Whether a word fits a pattern in which `*` stands for any text. Linear in both, so a pattern cannot be made slow. */
export function matchesPattern(pattern: string, word: string): boolean {
  if (pattern === '*' || pattern === word) return true;
  const star = pattern.indexOf('*');
  if (star < 0) return false;
  if (!pattern.includes('*', star + 1)) {
    // Most patterns have one, and many are compared with every request.
    const isLongEnough = word.length >= pattern.length - 1;
    return isLongEnough && word.startsWith(pattern.slice(0, star)) && word.endsWith(pattern.slice(star + 1));
  }
  const parts = pattern.split('*');
  const first = parts[0]!;
  const last = parts[parts.length - 1]!;
  if (word.length < first.length + last.length || !word.startsWith(first) || !word.endsWith(last)) return false;
  let from = first.length;
  const end = word.length - last.length;
  for (const part of parts.slice(1, -1)) {
    const at = word.indexOf(part, from);
    if (at < 0 || at + part.length > end) return false;
    from = at + part.length;
  }
  return from <= end;
}
