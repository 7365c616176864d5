/** Takes the policy file up again: on SIGHUP, and when it has changed. */
import { HeadgateError, type Policy } from '@headgate/core';
import type { WatchedFile } from '../config/watched-file.js';
import type { Gateway } from '../server/gateway.js';
import { warningsOf } from './warnings.js';

export interface PolicySource {
  /** As messages call it. */
  readonly name: string;
  readonly file: WatchedFile;
  read(): Promise<Policy>;
}

export class Reloading {
  readonly #source: PolicySource | undefined;
  #gateway: Gateway | undefined;
  /** One after the other, so that the last one read is the one that stays. */
  #last = Promise.resolve();

  /** From now on SIGHUP does not end the process. */
  constructor(source: PolicySource | undefined) {
    this.#source = source;
    process.on('SIGHUP', this.#again);
  }

  /** Goes by the file from now on. */
  start(gateway: Gateway): void {
    this.#gateway = gateway;
    this.#source?.file.watch(this.#again);
  }

  stop(): void {
    process.off('SIGHUP', this.#again);
    this.#source?.file.close();
  }

  readonly #again = (): void => {
    const [gateway, source] = [this.#gateway, this.#source];
    if (source === undefined)
      console.error('headgate: there is no policy file to read again, since serve has no --config');
    // While it starts, it has read the file a moment ago.
    else if (gateway !== undefined) this.#last = this.#last.then(() => reload(gateway, source));
  };
}

async function reload(gateway: Gateway, { name, read }: PolicySource): Promise<void> {
  try {
    const pending = await gateway.reload(read);
    for (const warning of warningsOf(gateway.policy, gateway.host)) console.error(`headgate: warning: ${warning}`);
    if (pending.length > 0) {
      console.error(`headgate: warning: ${pending.join(' and ')} changed, which takes effect at the next start only`);
    }
    console.error(`headgate: the policy of ${name} is in force`);
  } catch (error) {
    const why = error instanceof HeadgateError ? error.message : String((error as Error).stack);
    console.error(`headgate: the policy from before stays in force, because ${name} cannot be used: ${why}`);
  }
}
