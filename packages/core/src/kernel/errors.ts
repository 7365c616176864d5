/** An error in how Headgate is set up or called: a bug or bad configuration, never a refusal. `code` has a paragraph in docs/errors.md. */
export class HeadgateError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'HeadgateError';
    this.code = code;
  }
}
