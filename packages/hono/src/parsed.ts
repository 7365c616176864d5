import type { Context } from 'hono';

/** Whether somebody has read the body through Hono, which keeps it. */
export function isParsed(c: Context): boolean {
  return Object.keys(c.req.bodyCache).length > 0;
}
