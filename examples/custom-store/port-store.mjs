// A store of your own: one set of counters for all worker threads of a process, reached over message ports. The thread that
// has the counters serves them, `const serve = storeServer(store)` and `serve(port)` for each; every other one hands
// `new PortStore(port)` to its limiter.
// The same shape does for child processes, a socket or a database. It passes the suite that every store here passes.

/** Answers on ports with the store's answers. Receipts stay here; what travels is their number. */
export function storeServer(store) {
  let limits = [];
  const sets = new Map();
  const setOf = (names) => {
    const key = JSON.stringify(names);
    // A set may be from before the limits changed, and name some that are gone.
    if (!sets.has(key)) sets.set(key, store.prepare(limits.filter(({ name }) => names.includes(name))));
    return sets.get(key);
  };
  const configure = (all, options) => {
    // Every limiter tells its limits; of the same ones the counters stay.
    if (JSON.stringify(all) === JSON.stringify(limits)) return;
    limits = all;
    sets.clear();
    store.configure(all, options);
  };
  return (port) => {
    const receipts = new Map();
    const does = {
      configure,
      reserve(names, subject, cost, id) {
        const answer = store.reserve(setOf(names), subject, cost);
        if (answer.admitted) receipts.set(id, answer);
        const { admitted, limit, retryAfterMs, delayMs, shadowed } = answer;
        return { admitted, limit, retryAfterMs, delayMs, shadowed, states: store.peek(setOf(names), subject) };
      },
      debit: (id, more) => receipts.has(id) && store.debit(receipts.get(id), more),
      settle: (id, actual) => end(id, (receipt) => store.settle(receipt, actual)),
      cancel: (id) => end(id, (receipt) => store.cancel(receipt)),
      peek: (names, subject) => store.peek(setOf(names), subject),
    };
    const end = (id, how) => {
      const receipt = receipts.get(id);
      receipts.delete(id);
      return receipt !== undefined && how(receipt);
    };
    port.on('message', ({ call, method, args }) => {
      const answer = does[method](...args);
      port.postMessage({ call, answer, keys: store.stats().keys });
    });
  };
}

/** The store as a limiter sees it. Every answer is a promise, so `admit` works and `admitNow` says that it cannot. */
export class PortStore {
  sync = false;
  #port;
  #calls = new Map();
  #last = 0;
  #keys = 0;
  #open = 0;

  constructor(port) {
    this.#port = port;
    port.on('message', ({ call, answer, keys }) => {
      this.#keys = keys;
      this.#calls.get(call)(answer);
      this.#calls.delete(call);
    });
  }

  #ask(method, ...args) {
    const call = ++this.#last;
    this.#port.postMessage({ call, method, args });
    return new Promise((resolve) => this.#calls.set(call, resolve));
  }

  configure = (limits, options) => void this.#ask('configure', limits, options);
  prepare = (limits) => ({ limits });
  debit = (receipt, more) => this.#ask('debit', receipt.id, more);
  settle = (receipt, actual) => this.#end('settle', receipt, actual);
  cancel = (receipt) => this.#end('cancel', receipt);
  peek = (set, subject) => this.#ask('peek', names(set), subject);
  stats = () => ({ keys: this.#keys, open: this.#open });

  async reserve(set, subject, cost) {
    // Numbers of one port are enough where each thread has a port of its own.
    const id = ++this.#last;
    const answer = await this.#ask('reserve', names(set), subject, cost, id);
    if (answer.admitted) this.#open++;
    return answer.admitted ? { ...answer, set, id } : answer;
  }

  async #end(method, receipt, ...rest) {
    const ended = await this.#ask(method, receipt.id, ...rest);
    if (ended) this.#open--;
    return ended;
  }
}

const names = ({ limits }) => limits.map(({ name }) => name);
