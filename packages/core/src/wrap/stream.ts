/** A `ReadableStream` whose chunks are counted as they are read. */
import type { Meter } from './meter.js';

export function meteredStream<Chunk>(source: ReadableStream<Chunk>, meter: Meter<Chunk>): ReadableStream<Chunk> {
  const reader = source.getReader();
  const release = (reason: unknown): void => void reader.cancel(reason).catch(() => {});
  const stream = new ReadableStream<Chunk>(
    {
      async pull(controller) {
        try {
          const { done, value } = await Promise.race([reader.read(), meter.stopped]);
          if (done) {
            meter.end();
            controller.close();
          } else if (meter.admits(value)) controller.enqueue(value);
          else {
            release('the token budget was spent');
            meter.cut();
            controller.close();
          }
        } catch (error) {
          meter.fail();
          release(error);
          controller.error(error);
        }
      },
      cancel(reason) {
        meter.leave();
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
  meter.watch(stream);
  return stream;
}

/** A stream that asks for its source when it is first read, and never when it is not. */
export function lazyStream<Chunk>(open: () => Promise<ReadableStream<Chunk>>): ReadableStream<Chunk> {
  let reader: Promise<ReadableStreamDefaultReader<Chunk>> | undefined;
  return new ReadableStream<Chunk>(
    {
      async pull(controller) {
        reader ??= open().then((source) => source.getReader());
        const { done, value } = await (await reader).read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel(reason) {
        // What is only being opened is cancelled once it is open.
        reader?.then((opened) => opened.cancel(reason)).catch(() => {});
      },
    },
    { highWaterMark: 0 },
  );
}
