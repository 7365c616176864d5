/**
 * Notices when this process stood still, or got no processor: by a timer that comes late. What it saw then it saw late too, and
 * who holds others to what it wrote down has to know.
 */
const everyMs = 20;

/**
 * @param lateMs how late is worth telling
 * @param told from the last instant at which it certainly ran to the next one
 * @returns what ends it
 */
export function whenItStoodStill(
  now: () => number,
  lateMs: number,
  told: (from: number, to: number) => void,
): () => void {
  let ranAt = now();
  const timer = setInterval(() => {
    const at = now();
    if (at - ranAt > everyMs + lateMs) told(ranAt, at);
    ranAt = at;
  }, everyMs).unref();
  return () => clearInterval(timer);
}
