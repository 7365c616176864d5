/** Numbers from 0 to 1 that are the same every time (a linear congruence), for tests that need many and no luck. */
export function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}
