import {
  answerWhole,
  type Exchange,
  equal,
  holds,
  inWorld,
  roomy,
  type ScenarioBody,
  type WorldSetup,
} from './adapter-conformance-world.js';

/** Nobody may ask `question` of its model, so whoever gets to the handler has gone around the limits. */
const nobody = { requests: '1000/min', models: ['mistral'] };
/** No path, no method, not allowed: whatever the framework or the limiter says of what they do not take. */
const refusals = [400, 403, 404, 405];

/** Paths: no spelling of one leads to the handler around the limits. */
export const pathScenarios: Readonly<Record<string, ScenarioBody>> = {
  'F13: no spelling of a path and no other method leads to the handler around the limits': (harness) =>
    held(harness, '', '/api/chat', [
      ...['/api/%63hat', '/%61%70%69/chat', '/%41PI/chat', '/API/Chat', '/api/chat/', '/API/%43hat/', '/api/chat?x=/'],
      ...[
        '/api/chat;x',
        '/api/chat;/api/tags',
        '//api/chat',
        '/api//chat',
        '/api%2fchat',
        '/api%5cchat',
        '/api/chat%00',
      ],
    ]),

  'F13: nor does one below a mount path, or below one with a parameter': async (harness) => {
    await held(harness, '/ai', '/ai/api/chat', [
      ...[
        '/%61i/api/chat',
        '/%61%69/api/chat',
        '/ai/api/%63hat',
        '/a%69/%61pi/chat/',
        '/AI/api/chat',
        '/A%49/API/chat',
      ],
      ...['/ai/api/chat;x', '/ai;x/api/chat', '/ai%2fapi/chat', '/ai//api/chat', '//ai/api/chat'],
    ]);
    await held(harness, '/teams/:team', '/teams/red/api/chat', [
      ...[
        '/teams/r/api/chat',
        '/teams/redder/api/chat',
        '/teams/longer-than-the-pattern/api/chat',
        '/teams/:team/api/chat',
      ],
      ...['/teams/r%65d/api/chat', '/te%61ms/red/api/chat', '/teams/%C3%A9/api/chat', '/teams/%2f/api/chat'],
      ...['/teams/api/api/chat', '/teams/%25/api/chat', '/TEAMS/Red/API/chat', '/teams/red/v1/chat/completions'],
    ]);
  },

  'F13: a prompt below a prefix behind the limiter is held to its limits': (harness) =>
    heldAt(harness, { prefix: '/ollama' }, '/ollama/api/chat', [
      ...[
        '/ollama/%61pi/chat',
        '/%6fllama/api/chat',
        '/OLLAMA/API/Chat/',
        '/ollama/api/chat?x=/',
        '/ollama/api/chat;x',
      ],
      ...['/ollama/v1/chat/completions', '/ollama/v1/messages', '/ollama/api/generate', '/ollama/x/y/api/chat'],
      ...['/ollama//api/chat', '//ollama/api/chat', '/ollama/api%2fchat'],
    ]),

  "F13: an application's own routes behind the limiter pass as they were sent, whatever their paths end in": (
    harness,
  ) => {
    const bodies: unknown[] = [];
    const handler = async (exchange: Exchange): Promise<void> => {
      bodies.push(await exchange.body());
      await answerWhole(exchange);
    };
    return inWorld(harness, { policy: roomy, prefix: '/crm', handler }, async ({ chat }) => {
      const body = { text: 'Hello \u00e9', parts: [1, { messages: 2 }] };
      for (const path of [
        '/crm/v1/messages',
        '/crm/api/chat',
        '/crm/v1/embeddings',
        '/crm/api/create',
        '/crm/api/pull',
      ]) {
        const response = await chat({ path, body });
        await response.text();
        equal(response.status, 200, `status of ${path}`);
        equal(bodies.pop(), body, `body of ${path}`);
      }
      const response = await chat({ method: 'DELETE', path: '/crm/api/delete', body });
      await response.text();
      equal(response.status, 200, 'status of DELETE /crm/api/delete');
    });
  },

  'a limit on a path holds for all of it, also where it begins as one with a key does': async (harness) => {
    const limits = [{ name: 'settings', match: { path: '/k/abc/settings' }, per: 'all', requests: '1/day' }];
    const statuses: number[] = [];
    await inWorld(harness, { policy: { limits }, handler: answerWhole }, async ({ chat }) => {
      for (const path of ['/settings', '/k/abc/settings', '/k/abc/settings', '/k/x/settings', '/settings']) {
        const response = await chat({ path });
        await response.text();
        statuses.push(response.status);
      }
    });
    equal(statuses, [200, 200, 429, 200, 200], 'statuses');
  },
};

/** Asks with every spelling; the plain one has to be known for what it is, and none may reach the handler. */
function held(
  harness: Parameters<ScenarioBody>[0],
  mount: string,
  plain: string,
  spellings: readonly string[],
): Promise<void> {
  return heldAt(harness, { mount }, plain, spellings);
}

function heldAt(
  harness: Parameters<ScenarioBody>[0],
  where: Pick<WorldSetup, 'mount' | 'prefix'>,
  plain: string,
  spellings: readonly string[],
): Promise<void> {
  const reached: string[] = [];
  let now = '';
  const handler = (exchange: Exchange): Promise<void> => {
    reached.push(now);
    return answerWhole(exchange);
  };
  return inWorld(harness, { policy: nobody, ...where, handler }, async ({ chat }) => {
    equal((await chat({ path: plain })).status, 403, `status of ${plain}`);
    for (const method of ['POST', 'PUT', 'PATCH']) {
      for (const path of [plain, ...spellings]) {
        now = `${method} ${path}`;
        const response = await chat({ method, path });
        await response.text();
        holds(
          refusals.includes(response.status),
          `${now} below ${JSON.stringify(where)} to be refused, it is ${response.status}`,
        );
      }
    }
    equal(reached, [], 'ways to the handler');
  });
}
