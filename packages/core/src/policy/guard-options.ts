/**
 * The options of Ollama that may be pinned, by what Ollama takes them for. A pinned one of another kind would make every request
 * fail, and the client would be told that it is its fault; a misspelt one would pin nothing. Ollama passes over names that it does
 * not know, and goes by its own mind for most numbers that mean nothing, so both go through here as well.
 */
import { fault, type Read } from './read.js';
import { editDistance, plain, wordLengthMax } from './spelling.js';

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
  (example: number): Reader =>
  (given) => {
    const value = numberIn(given);
    return value !== undefined && Number.isFinite(value) ? { value } : fault(`a number, such as \`${example}\``);
  };

const flags: ReadonlyMap<Value, boolean> = new Map<Value, boolean>([
  ...[true, 'true', 1, '1'].map((yes) => [yes, true] as const),
  ...[false, 'false', 0, '0'].map((no) => [no, false] as const),
]);

/** Ollama takes no numbers for these. */
const flag: Reader = (given) => {
  const value = flags.get(given);
  return value === undefined ? fault('`true` or `false`') : { value };
};

const unpinnable: Reader = () => fault('no such key here: it is a list of texts, which only a request can bring');

/** See `Options` and `Runner` in Ollama's api/types.go; `shift` stands beside them in a request. */
const readers: ReadonlyMap<string, Reader> = new Map(
  Object.entries({
    num_ctx: whole(8192, 1),
    num_batch: whole(512, 1),
    num_gpu: whole(1, -1),
    main_gpu: whole(0, -1),
    num_thread: whole(8, -1),
    draft_num_predict: whole(4, -1),
    num_keep: whole(4, -1),
    num_predict: whole(512),
    seed: whole(42),
    top_k: whole(40),
    repeat_last_n: whole(64, -1),
    mirostat: whole(0, -1),
    temperature: number(0.8),
    top_p: number(0.9),
    min_p: number(0.05),
    typical_p: number(0.7),
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
  const right = [...readers.keys()].find((known) => isMisspelt(name, known));
  if (right !== undefined) return fault('an option as Ollama spells it', right);
  return /^[a-z][a-z0-9_]*$/.test(name) ? { value: given } : fault('the name of an option, such as `num_ctx`');
}

/** By one letter at most. `top_n` and `min_k` are names of their own, as far as anybody knows: parts so short differ on purpose. */
function isMisspelt(name: string, known: string): boolean {
  if (name.length > wordLengthMax) return false;
  if (plain(name) === plain(known)) return true;
  if (editDistance(plain(name), plain(known)) > 1) return false;
  const [parts, knownParts] = [name.split('_'), known.split('_')];
  if (parts.length !== knownParts.length) return true;
  return parts.some(
    (part, index) => part !== knownParts[index] && Math.max(part.length, knownParts[index]!.length) > 2,
  );
}
