/** Whoever takes part, as processes of their own in front of the same backend. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { findNginx, nginxConfiguration } from './nginx.js';
import { type GatewayVariant, gatewayVariants, policyOf } from './policies.js';
import { type ProxyName, proxyNames } from './proxies.js';

export interface Contestant {
  readonly name: string;
  readonly port: number;
  /** Undefined for the backend itself, asked directly. */
  readonly child: ChildProcess | undefined;
  /** What it has to be told with every request. */
  readonly headers?: readonly string[];
}

export interface Surroundings {
  readonly backendPort: number;
  /** Undefined where there is none. */
  readonly redisPort: number | undefined;
  /** For configurations and logs. */
  readonly folder: string;
  /** Folder for profiles of our rows, where they are wanted. */
  readonly profiles: string | undefined;
}

export const headgateName = (variant: GatewayVariant): string => `Headgate, ${variant}`;

export async function startAll(around: Surroundings, only: (name: string) => boolean): Promise<Contestant[]> {
  const started: Contestant[] = [{ name: 'direct', port: around.backendPort, child: undefined }];
  if (findNginx() === undefined)
    console.error('nginx is not installed, so its rows are missing (apt-get install nginx-light)');
  else if (only('nginx')) started.push(await nginx(around));
  for (const name of proxyNames) if (only(name)) started.push(await proxy(name, around));
  if (!existsSync(portkeyServer)) {
    console.error(
      'Portkey is not installed, so its rows are missing (npm install --prefix benchmarks/gateway/portkey)',
    );
  } else if (only('Portkey')) started.push(await portkey(around));
  for (const variant of gatewayVariants) {
    if (!only(headgateName(variant))) continue;
    if (variant.includes('Redis') && around.redisPort === undefined) {
      console.error('no redis-server is installed, so the row with Redis is missing');
    } else started.push(await headgate(variant, around));
  }
  return started;
}

export async function stop({ child }: Contestant): Promise<void> {
  if (child === undefined || child.exitCode !== null) return;
  const gone = once(child, 'exit');
  // The gateway drains on the first, and ends at once on the second.
  child.kill('SIGTERM');
  const patience = sleep(3_000).then(() => child.kill('SIGKILL'));
  await Promise.race([gone, patience]);
}

async function nginx({ folder, backendPort }: Surroundings): Promise<Contestant> {
  const port = await freePort();
  const file = nginxConfiguration(folder, port, backendPort);
  const child = spawn('nginx', ['-c', file, '-p', folder], { stdio: ['ignore', 'ignore', 'inherit'] });
  await accepting(port);
  return { name: 'nginx', port, child };
}

const portkeyServer = fileURLToPath(
  new URL('../../gateway/portkey/node_modules/@portkey-ai/gateway/build/start-server.js', import.meta.url),
);

async function portkey({ backendPort }: Surroundings): Promise<Contestant> {
  const port = await freePort();
  const env = { ...process.env, NODE_ENV: 'production', TRUSTED_CUSTOM_HOSTS: '127.0.0.1,localhost' };
  const child = spawn(process.execPath, [portkeyServer, `--port=${port}`, '--headless'], { stdio: 'ignore', env });
  await accepting(port);
  const headers = ['x-portkey-provider: openai', `x-portkey-custom-host: http://127.0.0.1:${backendPort}/v1`];
  return { name: 'Portkey', port, child, headers };
}

async function proxy(name: ProxyName, { backendPort }: Surroundings): Promise<Contestant> {
  const file = fileURLToPath(new URL('./serve.js', import.meta.url));
  const child = fork(file, [name, `http://127.0.0.1:${backendPort}`]);
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return { name, port, child };
}

/** The program that users run, with its access log on as it is by default. */
async function headgate(variant: GatewayVariant, around: Surroundings): Promise<Contestant> {
  const { folder, profiles } = around;
  const file = join(folder, `${variant.replace(/\W+/g, '-')}.json`);
  const accessLog = join(folder, `${variant.replace(/\W+/g, '-')}.log`);
  writeFileSync(file, JSON.stringify(policyOf(variant, { ...around, accessLog })));
  const program = fileURLToPath(new URL('../../../packages/gateway/dist/main.js', import.meta.url));
  const flags = profiles === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profiles}`];
  const child = spawn(process.execPath, [...flags, program, 'serve', '--config', file, '--port', '0'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (text: Buffer) => {
    said += text.toString();
  });
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout.on('data', (text: Buffer) => {
      const found = /listening on \S+:(\d+)/.exec(text.toString())?.[1];
      if (found !== undefined) resolve(Number(found));
    });
    child.once('exit', () => reject(new Error(`the gateway did not start: ${said}`)));
  });
  return { name: headgateName(variant), port, child };
}

export async function startBackend(): Promise<{ readonly child: ChildProcess; readonly port: number }> {
  const child = fork(fileURLToPath(new URL('./backend.js', import.meta.url)));
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return { child, port };
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Resolves once the port accepts connections. */
export async function accepting(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const socket = connect(port, '127.0.0.1');
    const isUp = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    socket.destroy();
    if (isUp) return;
    await sleep(25);
  }
  throw new Error(`nothing listens on port ${port}`);
}
