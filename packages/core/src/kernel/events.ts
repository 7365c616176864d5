/** Listeners by event name. A listener that throws is reported and stops nobody else. */
export class Events<Words extends object> {
  /** Only names that somebody listens to. */
  readonly #listeners = new Map<keyof Words, readonly ((event: never) => void)[]>();
  readonly #check: (name: string, listener: unknown) => void;

  /** @param check throws for a name or a listener that is none */
  constructor(check: (name: string, listener: unknown) => void = () => {}) {
    this.#check = check;
  }

  /** Returns a function that takes the listener off again. */
  on<Name extends keyof Words>(name: Name, listener: (event: Words[Name]) => void): () => void {
    this.#check(String(name), listener);
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
    return () => {
      const others = (this.#listeners.get(name) ?? []).filter((one) => one !== listener);
      if (others.length > 0) this.#listeners.set(name, others);
      else this.#listeners.delete(name);
    };
  }

  /** Whether building the event is worth it. */
  heard(name: keyof Words): boolean {
    return this.#listeners.size > 0 && this.#listeners.has(name);
  }

  emit<Name extends keyof Words>(name: Name, event: Words[Name]): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        listener(event as never);
      } catch (error) {
        console.error(`headgate: a listener for ${String(name)} threw`, error);
      }
    }
  }
}
