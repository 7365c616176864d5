import { ApiError } from '../api-error.js';
import { recordAtCloud, refuseUnlessCloudWorks } from '../cloud.js';
import { adminRoute, type Route, type RouteContext } from './route.js';

async function me({ world, exchange }: RouteContext): Promise<void> {
  await exchange.readBody();
  refuseUnlessCloudWorks(world, exchange);
  recordAtCloud(world, exchange, undefined);
  const user = { id: '00000000-0000-0000-0000-000000000000', email: 'owner@example.com', name: 'owner', plan: 'free' };
  exchange.json(200, user);
}

async function signOut({ world, exchange }: RouteContext): Promise<void> {
  await exchange.readBody();
  world.faults.set({ cloud: 'signed-out' });
  exchange.json(200, null);
}

async function status({ world, exchange }: RouteContext): Promise<void> {
  const disabled = world.faults.current.cloud === 'disabled';
  exchange.json(200, { cloud: { disabled, source: disabled ? 'env' : 'none' } });
}

async function webSearch({ world, exchange }: RouteContext): Promise<void> {
  await passToCloud({ world, exchange, rest: '' });
  exchange.json(200, { results: [{ title: 'A page', url: 'https://example.com/', content: 'Text of a page.' }] });
}

async function webFetch({ world, exchange }: RouteContext): Promise<void> {
  await passToCloud({ world, exchange, rest: '' });
  exchange.json(200, { title: 'A page', content: 'Text of a page.', links: ['https://example.com/'] });
}

async function recommendations({ exchange }: RouteContext): Promise<void> {
  exchange.json(200, { recommendations: [] });
}

/** Spends the account of the host. */
async function passToCloud({ world, exchange }: RouteContext): Promise<void> {
  const body = await exchange.readBody();
  if (body.length === 0) throw new ApiError(400, 'missing request body');
  refuseUnlessCloudWorks(world, exchange);
  recordAtCloud(world, exchange, undefined);
}

export const accountRoutes: Route[] = [
  adminRoute('POST', '/api/me', me),
  adminRoute('POST', '/api/signout', signOut),
  adminRoute('DELETE', '/api/user/keys/*', signOut),
  adminRoute('GET', '/api/status', status),
  adminRoute('POST', '/api/experimental/web_search', webSearch),
  adminRoute('POST', '/api/experimental/web_fetch', webFetch),
  adminRoute('GET', '/api/experimental/model-recommendations', recommendations),
];
