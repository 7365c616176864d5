/** The policy's `alerts`: which events go to which webhook. */
import type { LimiterEvents } from '../events.js';
import type { Clock } from '../kernel/clock.js';
import type { Events } from '../kernel/events.js';
import type { AlertEvent } from '../model.js';
import type { AlertRules } from '../policy/policy.js';
import { Webhook } from './webhook.js';

export interface WebhooksOptions {
  readonly clock: Clock;
  readonly events: Events<LimiterEvents>;
  readonly fetch: typeof fetch;
}

export class Webhooks {
  readonly #options: WebhooksOptions;
  /** By address and secret. */
  #webhooks = new Map<string, Webhook>();
  /** No longer in the policy, and not yet done with what they hold. */
  #leaving: readonly Webhook[] = [];
  #listening: readonly (() => void)[] = [];

  constructor(alerts: readonly AlertRules[], options: WebhooksOptions) {
    this.#options = options;
    this.configure(alerts);
  }

  /** Takes up other alerts. What a webhook holds is still sent, also where the policy names it no longer. */
  configure(alerts: readonly AlertRules[]): void {
    for (const stop of this.#listening) stop();
    const before = this.#webhooks;
    this.#webhooks = new Map();
    this.#listening = alerts.flatMap((rules) => {
      const key = JSON.stringify([rules.webhook, rules.secret]);
      const webhook = this.#webhooks.get(key) ?? before.get(key) ?? this.#webhook(rules);
      this.#webhooks.set(key, webhook);
      return rules.on.map((event) => this.#listen(webhook, event));
    });
    const gone = [...before].filter(([key]) => !this.#webhooks.has(key)).map(([, webhook]) => webhook);
    this.#leaving = [...this.#leaving, ...gone].filter(({ idle }) => !idle);
  }

  #webhook({ webhook: url, secret }: AlertRules): Webhook {
    const { clock, events, fetch } = this.#options;
    const { host } = new URL(url);
    const onFailed = (event: AlertEvent, tries: number, cause: string): void =>
      events.emit('alert-failed', { host, event, tries, cause });
    return new Webhook({ url, secret, clock, fetch, onFailed });
  }

  #listen(webhook: Webhook, event: AlertEvent): () => void {
    const { clock, events } = this.#options;
    return events.on(event as keyof LimiterEvents, (what) => {
      const at = new Date(clock.wall()).toISOString();
      webhook.send(event, JSON.stringify({ event, at, ...what }));
    });
  }

  close(): void {
    for (const stop of this.#listening) stop();
    for (const webhook of [...this.#webhooks.values(), ...this.#leaving]) webhook.close();
  }
}
