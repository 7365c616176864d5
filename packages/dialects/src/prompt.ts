/** What a body brings to the prompt, gathered while it is read. */
import type { JsonValue } from '@headgate/core';

export class Prompt {
  readonly texts: string[] = [];
  messages = 0;
  images = 0;
  toolResults = 0;
  /** Tool results after the last message of the model: those that this request brings. */
  toolResultsNew = 0;
  /** Text of the first message of the user: what sets one conversation apart from another. */
  opening = '';
  inputTokensKnown = 0;

  text(text: string | undefined): void {
    if (text !== undefined && text !== '') this.texts.push(text);
  }

  toolResult(): void {
    this.toolResults += 1;
    this.toolResultsNew += 1;
  }

  /**
   * A message was read whole.
   * @param before how many texts there were before it
   */
  said(role: string | undefined, before: number): void {
    if (role === 'assistant') this.toolResultsNew = 0;
    else if (role === 'user' && this.opening === '') this.opening = this.texts[before] ?? '';
  }

  /** Structure that the backend renders into the prompt itself, such as tool definitions: its JSON stands for it. */
  json(value: JsonValue | undefined): void {
    if (value !== undefined && value !== null) this.texts.push(JSON.stringify(value));
  }
}
