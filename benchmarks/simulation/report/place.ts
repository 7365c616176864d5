/** Files lie beside the sources, whether those run or what was built of them. */
export function besideSources(path: string): URL {
  return new URL(path, new URL(import.meta.url.includes('/dist/') ? '../../../simulation/' : '../', import.meta.url));
}
