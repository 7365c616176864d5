/** Processes of their own, built as they are published: what is true of one process by luck is not true of several. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export class Child {
  readonly process: ChildProcess;
  readonly exited: Promise<void>;
  readonly #heard: unknown[] = [];
  #listener: (() => void) | undefined;

  /** @param script beside this file */
  constructor(script: string) {
    this.process = fork(fileURLToPath(new URL(script, import.meta.url)), { execArgv: [], stdio: 'inherit' });
    this.exited = new Promise((resolve) => this.process.once('exit', () => resolve()));
    this.process.on('message', (message) => {
      this.#heard.push(message);
      this.#listener?.();
    });
    void this.exited.then(() => this.#listener?.());
  }

  tell(message: object | string): void {
    this.process.send(message);
  }

  /** What it says next. */
  async hear<T>(): Promise<T> {
    while (this.#heard.length === 0) {
      if (this.process.exitCode !== null || this.process.signalCode !== null) throw new Error('the process has ended');
      await new Promise<void>((resolve) => {
        this.#listener = resolve;
      });
    }
    return this.#heard.shift() as T;
  }

  async ask<T>(message: object | string): Promise<T> {
    this.tell(message);
    return this.hear<T>();
  }

  signal(name: NodeJS.Signals): void {
    this.process.kill(name);
  }

  async end(): Promise<void> {
    this.signal('SIGKILL');
    await this.exited;
  }
}
