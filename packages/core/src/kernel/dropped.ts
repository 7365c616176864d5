/**
 * What is to happen when nobody holds an object any more: the last resort for what its holder should have ended, and did not.
 * It comes with the memory's next collection, which may be late; on a runtime that does not tell, it never comes.
 */
const registry =
  typeof FinalizationRegistry === 'undefined'
    ? undefined
    : new FinalizationRegistry<() => void>((callback) => callback());

/** @param callback must not hold on to `object`, nor may anything it holds */
export function whenDropped(object: object, callback: () => void, token: object): void {
  registry?.register(object, callback, token);
}

export function forgetDropped(token: object): void {
  registry?.unregister(token);
}
