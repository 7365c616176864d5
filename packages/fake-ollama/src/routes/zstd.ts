import zlib from 'node:zlib';
import { ApiError } from '../api-error.js';
import type { Exchange } from '../exchange.js';

const DECODED_BYTES_MAX = 20 * 2 ** 20;

/** Only newer versions of Node (22.15) have it; their types are not assumed here. */
type Decompress = (data: Buffer, options: { maxOutputLength: number }) => Buffer;
const zstdDecompress = (zlib as unknown as { zstdDecompressSync?: Decompress }).zstdDecompressSync;

/** The body of a `/v1/*` request, which Ollama decodes when it is zstd, and no other encoding. */
export async function readDecodedBody(exchange: Exchange): Promise<Buffer> {
  const body = await exchange.readBody();
  if (exchange.seen.headers['content-encoding'] !== 'zstd') return body;
  if (zstdDecompress === undefined) throw new ApiError(400, 'failed to decompress request body');
  try {
    const decoded = zstdDecompress(body, { maxOutputLength: DECODED_BYTES_MAX });
    exchange.seen.json = JSON.parse(decoded.toString('utf8'));
    return decoded;
  } catch (error) {
    if (error instanceof SyntaxError) throw new ApiError(400, 'unexpected EOF');
    throw new ApiError(400, 'failed to decompress request body');
  }
}
