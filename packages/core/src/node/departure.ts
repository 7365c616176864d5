/** When a request's life is over: its answer was delivered, or broken off, or the client left before. */
import { http2Stream } from './arrival.js';
import type { NodeRequest, NodeResponse, NodeSocket } from './message.js';

/**
 * Who waits for a connection to close, one listener a connection. A pipelined answer whose turn never came gets no
 * `close` of its own, only its connection does.
 */
const waiting = new WeakMap<NodeSocket, (() => void)[]>();

/**
 * What is to be called when an answer is closed, one listener an answer however many ask. On the answer itself: a weak map of all
 * requests there ever were is walked by every collection, which costs more than everything else that is done for one.
 */
const callbacks = Symbol('headgate: called when closed');

interface Watched extends NodeResponse {
  [callbacks]?: ((delivered: boolean) => void)[];
}

/**
 * Calls back once when the answer is closed. `finish` alone is no end: a client that leaves in the middle never causes it,
 * and it comes before the last bytes have left.
 * @param callback told whether the whole answer was handed to the network
 */
export function whenClosed(req: NodeRequest, res: Watched, callback: (delivered: boolean) => void): void {
  const known = res[callbacks];
  if (known !== undefined && known.length > 0) {
    known.push(callback);
    return;
  }
  const asked = [callback];
  res[callbacks] = asked;
  const { socket } = req;
  const waiters = waitersOf(socket);
  const close = (): void => {
    res.removeListener('close', close);
    waiters.splice(waiters.indexOf(close), 1);
    // Emptied: whoever asks once more about an answer that is closed is told at once.
    for (const each of asked.splice(0)) each(res.writableFinished);
  };
  res.on('close', close);
  waiters.push(close);
  if (socket.destroyed || res.destroyed) close();
}

function waitersOf(socket: NodeSocket): (() => void)[] {
  let waiters = waiting.get(socket);
  if (waiters === undefined) {
    const added: (() => void)[] = [];
    waiting.set(socket, added);
    socket.once('close', () => {
      for (const close of [...added]) close();
    });
    waiters = added;
  }
  return waiters;
}

/** That of HTTP/2: the server could not go on. */
const internalError = 2;

/** Ends an answer in the middle, so that nobody takes what there is of it for all. */
export function breakOff(res: NodeResponse): void {
  // A stream that is only destroyed is closed without an error, and looks as if it had come to its end.
  http2Stream(res.req)?.close(internalError);
  res.destroy();
}
