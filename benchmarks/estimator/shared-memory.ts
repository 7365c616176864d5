/** Stores of one process that tell each other what answers taught, as those of several processes do through Redis. */
import { MemoryStore, type Store, systemClock } from '@headgate/core';

/** @returns makes one more */
export function sharedMemory(): () => Store {
  const kept = new Map<string, Uint8Array>();
  const exchange: NonNullable<Store['exchange']> = async (news, after) => {
    for (const { name, bytes, bytesMax } of news) {
      kept.set(name, Uint8Array.from([...(kept.get(name) ?? []), ...bytes]).slice(-bytesMax));
    }
    const lessons = after > 0 ? [] : [...kept].map(([name, bytes]) => ({ name, bytes }));
    return { lessons, mark: 1, more: false };
  };
  return () => Object.assign(new MemoryStore(systemClock()), { exchange });
}
