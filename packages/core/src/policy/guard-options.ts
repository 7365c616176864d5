/**
 * The options of Ollama that may be pinned, by what Ollama takes them for. A pinned one of another kind would make every request
 * fail, and the client would be told that it is its fault. Names that are not here may be of a newer Ollama, and go through as they are.
 */
import { fault, type Read } from './read.js';
import { nearest } from './spelling.js';

type Value = number | string | boolean;
type Reader = (given: Value) => Read<Value>;

const numeral = /^-?\d+(?:\.\d+)?$/;

/** Out of a variable of the environment every value comes as text. */
function numberIn(given: Value): number | undefined {
  if (typeof given === 'number') return given;
  return typeof given === 'string' && numeral.test(given.trim()) ? Number(given) : undefined;
}

const whole =
  (example: number, least = Number.MIN_SAFE_INTEGER): Reader =>
  (given) => {
    const value = numberIn(given);
    if (value !== undefined && Number.isSafeInteger(value) && value >= least) return { value };
    const bound = least === Number.MIN_SAFE_INTEGER ? '' : ` of at least ${least}`;
    return fault(`a whole number${bound}, such as \`${example}\``);
  };

const number =
  (example: number, least = Number.NEGATIVE_INFINITY): Reader =>
  (given) => {
    const value = numberIn(given);
    if (value !== undefined && Number.isFinite(value) && value >= least) return { value };
    const bound = least === Number.NEGATIVE_INFINITY ? '' : ` of at least ${least}`;
    return fault(`a number${bound}, such as \`${example}\``);
  };

const flag: Reader = (given) => {
  const value = given === 'true' ? true : given === 'false' ? false : given;
  return typeof value === 'boolean' ? { value } : fault('`true` or `false`');
};

const unpinnable: Reader = () => fault('no such key here: it is a list of texts, which only a request can bring');

/** See `Options` and `Runner` in Ollama's api/types.go; `shift` stands beside them in a request. */
const readers: ReadonlyMap<string, Reader> = new Map(
  Object.entries({
    num_ctx: whole(8192, 1),
    num_batch: whole(512, 1),
    num_gpu: whole(1, -1),
    main_gpu: whole(0, 0),
    num_thread: whole(8, 0),
    draft_num_predict: whole(4, 0),
    num_keep: whole(4, -1),
    num_predict: whole(512),
    seed: whole(42),
    top_k: whole(40),
    repeat_last_n: whole(64, -1),
    mirostat: whole(0, 0),
    temperature: number(0.8, 0),
    top_p: number(0.9, 0),
    min_p: number(0.05, 0),
    typical_p: number(0.7, 0),
    tfs_z: number(1),
    repeat_penalty: number(1.1),
    presence_penalty: number(0.5),
    frequency_penalty: number(0.5),
    mirostat_tau: number(5),
    mirostat_eta: number(0.1),
    rope_frequency_base: number(10_000),
    rope_frequency_scale: number(1),
    penalize_newline: flag,
    use_mmap: flag,
    use_mlock: flag,
    numa: flag,
    low_vram: flag,
    f16_kv: flag,
    logits_all: flag,
    vocab_only: flag,
    embedding_only: flag,
    shift: flag,
    stop: unpinnable,
  }),
);

/** The value as Ollama takes it. */
export function readGuardOption(name: string, given: Value): Read<Value> {
  const reader = readers.get(name);
  if (reader !== undefined) return reader(given);
  const right = nearest(name, readers.keys());
  if (right !== undefined) return fault('an option as Ollama spells it', right);
  return /^[a-z][a-z0-9_]*$/.test(name) ? { value: given } : fault('the name of an option, such as `num_ctx`');
}
