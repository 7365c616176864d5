/** Segments of letters, digits and dashes, without a dot. */
const plainPath = /^(?:\/[\w-]+)+$/;

/** The path of a request target, decoded once, as the backend would read it; undefined when two readers could disagree on it. */
export function pathOf(target: string): string | undefined {
  // Nearly every target is one that nobody can read in two ways.
  if (plainPath.test(target)) return target;
  const noQuery = target.split(/[?#]/, 1)[0]!;
  const path = noQuery.startsWith('/') ? noQuery : (/^https?:\/\/[^/]+(\/.*)?$/i.exec(noQuery)?.[1] ?? '/');
  // An encoded slash, backslash, dot segment or control character means different paths to different servers.
  if (/%2f|%5c|%00/i.test(path)) return undefined;
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    return undefined;
  }
  if (hasControl(decoded) || decoded.includes('\\') || decoded.includes('//')) return undefined;
  if (decoded.split('/').some((segment) => segment === '.' || segment === '..')) return undefined;
  return decoded;
}

function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}
