/** An error answer, before it is rendered in the dialect of the request. */
export class ApiError extends Error {
  readonly status: number;
  readonly headers: Record<string, string>;
  /** Extra fields of a native error body, such as `signin_url`. */
  readonly fields: Record<string, unknown>;
  /** Has the native shape whatever the dialect of the request, like everything that goes wrong on the way to the cloud. */
  readonly native: boolean;

  constructor(
    status: number,
    message: string,
    more: { headers?: Record<string, string>; fields?: Record<string, unknown>; native?: boolean } = {},
  ) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.headers = more.headers ?? {};
    this.fields = more.fields ?? {};
    this.native = more.native ?? false;
  }
}
