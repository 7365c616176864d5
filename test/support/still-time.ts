import { vi } from 'vitest';

/**
 * Until the end of the test time stands still for all that runs in this process, while timers go on: however slow the machine,
 * nothing comes back to a limit that nobody waits for, and no day ends in the middle. A limit of ten a minute has ten.
 */
export function stillTime(): void {
  vi.spyOn(performance, 'now').mockReturnValue(performance.now());
}
