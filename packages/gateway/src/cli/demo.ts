/** `headgate demo`, which is also `npm start`: a gateway to try, in front of Ollama where there is one. */
import { parsePolicy } from '@headgate/core';
import { startFakeOllama } from '@headgate/fake-ollama';
import { isUp } from '../backends/probe.js';
import { demoPolicy } from '../config/default-policies.js';
import { limitsTables } from '../config/limits-table.js';
import { ollamaHostUrl } from '../config/ollama-host.js';
import { ollamaUrl } from '../server/gateway.js';
import { listen, untilStopped } from './serving.js';
import { hostOf, portOf } from './usage.js';

const probeMs = 1_000;
/** Of a simulated server, as a small model on a small machine has it. */
const simulated = { decodeTokensPerSecond: 40, prefillTokensPerSecond: 2_000, outputTokens: 60, numParallel: 2 };
const simulatedModel = 'llama3.2';

interface Behind {
  readonly what: string;
  readonly backends: readonly (string | object)[];
  readonly model: string;
  close(): Promise<void>;
}

export async function demo(
  flags: { readonly port?: string | undefined; readonly host?: string | undefined },
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const port = portOf(flags.port, '--port') ?? portOf(env.PORT, 'PORT');
  const policy = parsePolicy(demoPolicy);
  const behind = (await ollamaAt(env.OLLAMA_HOST)) ?? (await simulatedServers());
  try {
    const gateway = await listen({ policy, port, host: hostOf(flags.host), backends: behind.backends });
    console.log(`\nin front of ${behind.what}\n\n${limitsTables(policy)}\n\n${tryNext(gateway.url, behind.model)}`);
    await untilStopped(gateway);
  } finally {
    await behind.close();
  }
}

/** A real Ollama, where the environment says or where it usually is. */
async function ollamaAt(host: string | undefined): Promise<Behind | undefined> {
  for (const url of new Set([ollamaHostUrl(host), ollamaUrl])) {
    if (!(await isUp(`${url}/api/version`, probeMs))) continue;
    return { what: `Ollama at ${url}`, backends: [url], model: await firstModel(url), close: async () => {} };
  }
  return undefined;
}

/** A model that is there, so that what we propose to try works. */
async function firstModel(url: string): Promise<string> {
  try {
    const answer = await fetch(`${url}/api/tags`, { signal: AbortSignal.timeout(probeMs) });
    const { models } = (await answer.json()) as { readonly models: readonly { readonly name: string }[] };
    return models.find(({ name }) => !/embed|minilm|bge|cloud/.test(name))?.name ?? simulatedModel;
  } catch {
    return simulatedModel;
  }
}

async function simulatedServers(): Promise<Behind> {
  const servers = [await startFakeOllama(simulated), await startFakeOllama(simulated)];
  return {
    what: 'two simulated Ollama servers, since no Ollama answers (set OLLAMA_HOST, or start one)',
    backends: servers.map(({ url }, index) => ({ url, name: `simulated-${index + 1}`, slots: simulated.numParallel })),
    model: simulatedModel,
    close: async () => {
      await Promise.all(servers.map((server) => server.close()));
    },
  };
}

function tryNext(url: string, model: string): string {
  return `try, in another terminal

  curl ${url}/api/chat -d '{"model":"${model}","messages":[{"role":"user","content":"Why is the sky blue?"}]}'

  OPENAI_BASE_URL=${url}/v1 OPENAI_API_KEY=team-a   for any OpenAI client; each key has counters of its own

and, to be refused: three may come at once, the fourth and fifth are 429

  for i in 1 2 3 4 5; do curl -s -o /dev/null -w '%{http_code}\\n' ${url}/api/generate \\
    -d '{"model":"${model}","prompt":"hi","stream":false}'; done

  curl ${url}/metrics

and look at it in a browser: ${url}/dashboard
`;
}
