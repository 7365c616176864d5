/** docs/operations/deploy.md, the Dockerfile and the unit of systemd: paths, commands, ports and times that they name are those of the program. */
import { parsePolicy } from '@headgate/core';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { help } from '../../../packages/gateway/src/cli/usage.js';
import { page } from '../../support/markdown.js';
import { files, manifestOf, textOf } from '../../support/repository.js';

const deploy = page('docs/operations/deploy.md');
const { packageManager } = JSON.parse(textOf('package.json')) as { packageManager: string };
const { bin } = manifestOf('packages/gateway') as unknown as { bin: { headgate: string } };
const program = bin.headgate.replace('./', '');
const drainMs = parsePolicy({}).drainMs;

/** Options of a command line of headgate that it does not have. */
function unknownIn(words: readonly string[]): string[] {
  expect(help).toContain(`headgate ${words[0]}`);
  return words.filter((word) => word.startsWith('--') && !help.includes(word));
}

const seconds = (text = ''): number => Number(/^(\d+)s?$/.exec(text)?.[1]);

describe('the Dockerfile', () => {
  const lines = textOf('Dockerfile')
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => !/^\s*(?:#|$)/.test(line));
  const [build = [], run = []] = lines
    .join('\n')
    .split(/^(?=FROM )/m)
    .map((stage) => stage.trim().split('\n'));
  const of = (word: string, stage = run): string[] =>
    stage.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1).trim());
  const list = (word: string): string[] => JSON.parse(of(word)[0]!) as string[];

  test('builds with what the repository builds with, and leaves what that is in the folder that runs', () => {
    const [command = ''] = of('RUN', build);
    const scripts = Object.keys(JSON.parse(textOf('package.json')).scripts);
    expect(scripts).toContain(/npm run (\w+)/.exec(command)?.[1]);
    expect(command).toContain(` ${packageManager} --filter ${manifestOf('packages/gateway').name} deploy --prod /app`);
    expect(of('COPY')).toEqual(['--from=build /app /app']);
  });

  test('starts the program of the package, with a command and options that it has, on the port it exposes', () => {
    expect(list('ENTRYPOINT')).toEqual(['node', `/app/${program}`]);
    const command = list('CMD');
    expect(unknownIn(command)).toEqual([]);
    expect(of('EXPOSE')).toEqual([command[command.indexOf('--port') + 1]]);
  });

  test('is healthy by the page that is for everyone', () => {
    const [, health = ''] = /CMD (\[.*\])/.exec(of('HEALTHCHECK')[0]!) ?? [];
    const [node, flag, script = ''] = JSON.parse(health) as string[];
    expect([node, flag]).toEqual(['node', '-e']);
    expect(script).toContain(`fetch('http://127.0.0.1:${of('EXPOSE')[0]}/healthz')`);
    expect(() => new Function(script)).not.toThrow();
  });

  test('runs as a user without rights, on a Node that the packages accept', () => {
    expect(of('USER')).toEqual(['node']);
    for (const [image] of [of('FROM', build), of('FROM')])
      expect(Number(/^node:(\d+)-/.exec(image!)?.[1])).toBeGreaterThanOrEqual(20);
  });

  test('takes nothing into the image that is installed, built or of git', () => {
    const ignored = textOf('.dockerignore').trim().split('\n');
    expect(ignored).toEqual(expect.arrayContaining(['.git', '**/node_modules', '**/dist']));
    expect(ignored.filter((line) => files.includes(line))).toEqual([]);
  });
});

describe('the unit of systemd', () => {
  const entries = textOf('docs/operations/headgate.service')
    .split('\n')
    .map((line) => /^(\w+)=(.*)$/.exec(line))
    .filter((entry) => entry !== null)
    .map(([, name, value]) => [name!, value!] as const);
  const values = (name: string): string[] => entries.filter(([one]) => one === name).map(([, value]) => value);
  const commands = [...values('ExecStart'), ...values('ExecReload')].filter((line) => line.includes('node'));

  test('starts, checks and reloads the program that the page puts in place, with options that it has', () => {
    const folder = / deploy --prod (\/\S+)/.exec(deploy.text.slice(deploy.text.indexOf('## Under systemd')))?.[1];
    expect(commands).toHaveLength(2);
    for (const command of commands) {
      const [node, file, ...words] = command.split(' ');
      expect([node, file]).toEqual(['/usr/bin/node', `${folder}/${program}`]);
      expect(unknownIn(words)).toEqual([]);
    }
    expect(values('ExecReload').at(-1)).toBe("/bin/sh -c 'kill -HUP $MAINPID'");
  });

  test('names files that the page puts in place', () => {
    const named = [...textOf('docs/operations/headgate.service').matchAll(/\/etc\/headgate\/[\w.]+/g)].map(
      ([path]) => path,
    );
    expect(new Set(named).size).toBe(2);
    for (const path of named) expect(deploy.text).toContain(` ${path}`);
  });

  test('gives a stop more time than draining takes', () => {
    expect(seconds(values('TimeoutStopSec')[0]) * 1_000).toBeGreaterThan(drainMs);
  });

  test('takes its rights away, each once', () => {
    const hardening = [
      'DynamicUser',
      'NoNewPrivileges',
      'ProtectHome',
      'PrivateTmp',
      'PrivateDevices',
      'RestrictNamespaces',
    ];
    for (const name of hardening) expect(values(name), name).toEqual(['yes']);
    expect(values('ProtectSystem')).toEqual(['strict']);
    expect(values('CapabilityBoundingSet')).toEqual(['']);
  });
});

describe('deploy.md', () => {
  const blocks = deploy.blocks;

  test('shows a composition whose gateway is built here, stops in time, and finds what its policy names', () => {
    const compose = parse(blocks.find(({ marks }) => marks.includes('compose'))!.text);
    const { headgate } = compose.services;
    expect(seconds(headgate.stop_grace_period) * 1_000).toBeGreaterThan(drainMs);
    expect(headgate.build).toBe('.');
    expect(headgate.volumes).toEqual(['./headgate:/etc/headgate:ro']);
    const text = blocks.find(({ language }) => language === 'yaml')!.text;
    const policy = parsePolicy(parse(text), { env: headgate.environment });
    const { hostname } = new URL(policy.backends[0]!.url);
    expect(Object.keys(compose.services)).toContain(hostname);
    expect(String(policy.backends[0]!.slots)).toBe(compose.services[hostname].environment.OLLAMA_NUM_PARALLEL);
  });

  test('gives a stop more time than draining takes, wherever it says how much', () => {
    const given = [...deploy.text.matchAll(/(?:--stop-timeout |GracePeriodSeconds: )(\d+)/g)].map(([, value]) =>
      seconds(value),
    );
    expect(given).toHaveLength(2);
    for (const value of given) expect(value * 1_000).toBeGreaterThan(drainMs);
    expect(deploy.text).toContain(`[\`drain\`](../policies.md#the-gateway-itself), ${drainMs / 1_000} s`);
  });

  test('packs with the pnpm of the repository', () => {
    expect(new Set(deploy.text.match(/pnpm@[\d.]+/g))).toEqual(new Set([packageManager]));
  });

  test('quotes the log and the metrics as they are', () => {
    const sources =
      textOf('packages/gateway/src/log/events.ts') + textOf('packages/gateway/src/admin/state-metrics.ts');
    for (const words of [
      'the store does not answer, and decisions are made without it',
      'the store answers again',
      'headgate_store_up',
      'headgate_store_mode',
    ]) {
      expect(deploy.text).toContain(words);
      expect(sources).toContain(words);
    }
  });
});
