// @ts-check
// The stream of snapshots: opened while somebody looks, and again whenever it was lost.

/** @typedef {import('../snapshot.js').Snapshot} Snapshot */
/** @typedef {'connecting' | 'live' | 'lost' | 'paused'} State */

/** Snapshots come every second; when none has come for so long the connection is dead, whatever it says. */
const silentMsMax = 10_000;
const againMsMin = 1_000;
const againMsMax = 15_000;

export class Connection {
  #url;
  #listener;
  /** @type {EventSource | undefined} */
  #source;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #againMs = againMsMin;
  #isPaused = false;

  /**
   * @param {string} url
   * @param {{ onOpen: () => void, onSnapshot: (snapshot: Snapshot) => void, onState: (state: State) => void }} listener
   */
  constructor(url, listener) {
    this.#url = url;
    this.#listener = listener;
    // A page that nobody sees costs the gateway nothing.
    document.addEventListener('visibilitychange', () => this.#follow());
  }

  get isPaused() {
    return this.#isPaused;
  }

  set isPaused(isPaused) {
    this.#isPaused = isPaused;
    this.#follow();
  }

  start() {
    this.#follow();
  }

  #follow() {
    this.#close();
    if (this.#isPaused) this.#listener.onState('paused');
    else if (document.visibilityState !== 'hidden') this.#open();
  }

  #close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = undefined;
  }

  #open() {
    this.#close();
    const source = new EventSource(this.#url);
    this.#source = source;
    this.#expect();
    source.addEventListener('open', () => this.#listener.onOpen());
    source.addEventListener('snapshot', ({ data }) => {
      this.#againMs = againMsMin;
      this.#expect();
      this.#listener.onState('live');
      this.#listener.onSnapshot(JSON.parse(data));
    });
    source.addEventListener('error', () => {
      this.#listener.onState('lost');
      // What was merely cut the browser opens again; after an answer that is none, such as a proxy's 502, it does not.
      if (source.readyState === EventSource.CLOSED) this.#again();
    });
  }

  #again() {
    this.#close();
    this.#timer = setTimeout(() => this.#open(), this.#againMs);
    this.#againMs = Math.min(againMsMax, 2 * this.#againMs);
  }

  #expect() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#listener.onState('lost');
      this.#again();
    }, silentMsMax);
  }
}
