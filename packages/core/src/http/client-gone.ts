/** The client closed its connection, or cancelled the answer, before it had ended. */
export class ClientGoneError extends Error {
  constructor() {
    super('the client closed the connection');
    this.name = 'ClientGoneError';
  }
}
