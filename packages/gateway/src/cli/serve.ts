/** `headgate serve`: the gateway. */
import { type Policy, PolicyError, type Problem, parsePolicy } from '@headgate/core';
import { servePolicy } from '../config/default-policies.js';
import { limitsTables } from '../config/limits-table.js';
import { ollamaHostUrl } from '../config/ollama-host.js';
import { readPolicyFile } from '../config/policy-file.js';
import { WatchedFile } from '../config/watched-file.js';
import { type PolicySource, Reloading } from './reloading.js';
import { listen, untilStopped } from './serving.js';
import { hostOf, portOf, UsageError } from './usage.js';

export interface ServeArguments {
  readonly values: {
    readonly config?: string | undefined;
    readonly port?: string | undefined;
    readonly host?: string | undefined;
    readonly backend?: string[] | undefined;
  };
  /** Further backends: `--backend A B`. */
  readonly positionals: readonly string[];
}

export async function serve({ values, positionals }: ServeArguments, env: NodeJS.ProcessEnv): Promise<void> {
  const port = portOf(values.port, '--port') ?? portOf(env.PORT, 'PORT');
  const host = hostOf(values.host);
  const given = backendsOf(values.backend, positionals);
  const inFront = (policy: Policy): Policy => withBackends(policy, given, env.OLLAMA_HOST);
  const source = values.config === undefined ? undefined : await sourceOf(values.config, env, inFront);
  const reloading = new Reloading(source);
  const policy = source === undefined ? inFront(parsePolicy(servePolicy)) : await source.read();
  if (source === undefined) {
    console.error(`headgate: no --config, so the default policy holds\n${limitsTables(policy)}`);
  }
  const gateway = await listen({ policy, port, host });
  const names = gateway.policy.backends.map(({ name, slots }) => `${name} (slots: ${slots})`);
  console.error(`headgate: in front of ${names.join(', ')}`);
  reloading.start(gateway);
  await untilStopped(gateway, async () => reloading.stop());
}

/** The policy of a file; its backends are those of the command line where there are any, and Ollama's usual place where there are none. */
async function sourceOf(
  name: string,
  env: NodeJS.ProcessEnv,
  inFront: (policy: Policy) => Policy,
): Promise<PolicySource> {
  return { name, file: await WatchedFile.of(name), read: async () => inFront(await readPolicyFile(name, env)) };
}

function withBackends(policy: Policy, given: readonly string[] | undefined, ollamaHost: string | undefined): Policy {
  if (given === undefined && policy.backends.length > 0) return policy;
  const { backends } = parsePolicy({ backends: given ?? [ollamaHostUrl(ollamaHost)] });
  return { ...policy, backends };
}

/** The other commands take their policy without a flag. */
function flagFor(operand: string): string {
  if (/\.(?:ya?ml|json)$/i.test(operand)) return `: a policy is given as --config ${operand}`;
  return /^https?:\/\//i.test(operand) ? ': a backend is given as --backend URL' : '';
}

function backendsOf(flags: readonly string[] | undefined, operands: readonly string[]): string[] | undefined {
  if (flags === undefined) {
    const [operand] = operands;
    if (operand !== undefined) throw new UsageError(`unexpected argument "${operand}"${flagFor(operand)}`);
    return undefined;
  }
  const backends = [...flags, ...operands].flatMap((text) => text.split(',')).map((text) => text.trim());
  try {
    parsePolicy({ backends });
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    const [{ got, expected, nearest }] = error.problems as readonly [Problem];
    const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
    throw new UsageError(`--backend ${got}: expected ${expected}${hint}`);
  }
  return backends;
}
