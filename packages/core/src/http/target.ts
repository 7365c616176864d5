/** Segments of letters, digits and dashes, without a dot. */
const plainPath = /^(?:\/[\w-]+)+$/;

/** A whole URL with a host that every reader finds, and its path. Others, such as `http:///api/chat`, have a path to some readers only. */
const wholeUrl = /^https?:\/\/(?:[\w.~-]+|\[[\da-f:.]+\])(?::\d*)?(\/.*)?$/is;

/** The path of a request target as it was written, without its query; undefined where readers may differ on where it begins. */
export function writtenPath(target: string): string | undefined {
  if (!target.startsWith('/')) return target === '*' ? '/' : wholePath(target)?.split(/[?#]/, 1)[0];
  const end = target.search(/[?#]/);
  return end < 0 ? target : target.slice(0, end);
}

function wholePath(url: string): string | undefined {
  const match = wholeUrl.exec(url);
  return match === null ? undefined : (match[1] ?? '/');
}

/** The path of a request target, decoded once, as the backend would read it; undefined when two readers could disagree on it. */
export function pathOf(target: string): string | undefined {
  // Nearly every target is one that nobody can read in two ways.
  if (plainPath.test(target)) return target;
  const path = writtenPath(target);
  if (path === undefined) return undefined;
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
