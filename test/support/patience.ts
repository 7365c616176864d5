/**
 * How long a test waits for what is sure to come, ms. It ends the wait for something that is broken, and proves nothing of how
 * soon the rest comes: a machine under load, or stopped for a while, is well within it.
 */
export const patienceMs = 60_000;
