/** The dashboard as people meet it: in a browser, under traffic, with a keyboard, on a phone, in the dark. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ownAddress } from '../../../../test/support/addresses.js';
import { startGateway } from '../../src/index.js';
import { axeFindings, launch, visit } from '../support/browser.js';
import { atEnd, chat, fake, gatewayFor, generate, post, type Setup, setup } from '../support/harness.js';

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser?.close());

const read = async (answer: Promise<Response>): Promise<string> => (await answer).text();
const live = (page: Page): Promise<void> => page.locator('#main[data-fresh="true"]').waitFor();
const desk = { width: 1280, height: 800 };
const phone = { width: 320, height: 640 };

/** Two identities of which one is over a limit of two, and six limits. */
const policy = {
  identity: [{ apiKey: { keys: { one: { id: 'team-a' }, two: { id: 'nightly-batch', priority: 'low' } } } }],
  ...{ requests: '600/min', tokens: '100k/hour', concurrency: 4 },
  limits: [
    { name: 'generate', match: { operation: 'generate' }, requests: '60/hour burst 2' },
    { name: 'day', tokens: '1M/day' },
    { name: 'dry', requests: '30/hour burst 1', mode: 'shadow' },
  ],
};

async function busy(): Promise<Setup> {
  const world = await setup(policy);
  for (const key of ['one', 'two', 'two', 'two']) {
    await read(post(`${world.url}/api/generate`, generate, { authorization: `Bearer ${key}` }));
  }
  return world;
}

const row = (page: Page, id: string) => page.locator('#identities > li', { has: page.getByText(id, { exact: true }) });

test('loads, asks for nothing from elsewhere, and shows traffic as it comes', async () => {
  const { url } = await setup(policy, { backends: [{ decodeTokensPerSecond: 30, outputTokens: 3_000 }], slots: 1 });
  const { page, complaints } = await visit(browser, url);
  await live(page);
  expect(await page.getByRole('status').first().textContent()).toBe('Live');
  expect(await page.getByText('Nobody has asked in the last ten minutes.').isVisible()).toBe(true);
  expect(await page.getByText(`curl ${url}/api/chat`).isVisible()).toBe(true);

  const leaving = new AbortController();
  const init = { method: 'POST', body: JSON.stringify({ ...chat, stream: true }), signal: leaving.signal };
  const ask = (key: string) => fetch(`${url}/api/chat`, { ...init, headers: { authorization: `Bearer ${key}` } });
  const streams = ['one', 'two'].map((key) =>
    ask(key)
      .then(
        (answer) => answer.text(),
        () => {},
      )
      .catch(() => {}),
  );
  await page.getByText('1 of 1 slots in use').first().waitFor();
  await page.getByText('1 low · longest').waitFor();
  await page.getByText('llama3.2', { exact: true }).first().waitFor();
  await expect.poll(() => page.title()).toBe('1 waiting · Headgate');
  await expect
    .poll(async () => Number(await page.locator('#now div:nth-child(3) .value').textContent()))
    .toBeGreaterThan(10);
  expect(await page.locator('canvas').count()).toBe(2);
  leaving.abort();
  await Promise.all(streams);
  await page.getByText('0 of 1 slots in use').first().waitFor();

  for (let times = 0; times < 3; times++) {
    await read(
      post(`${url}/api/generate`, { ...generate, options: { num_predict: 1 } }, { authorization: 'Bearer one' }),
    );
  }
  await row(page, 'team-a').getByText('refused by generate, 1 time').waitFor();
  await page.locator('#refusals').getByText('generate', { exact: true }).waitFor();
  expect(complaints).toEqual([]);
});

describe('whatever clients call themselves and their models', () => {
  const hacks = ['<img src=x onerror="window.hacked=1">', '"><script>window.hacked=1</script>', "';hacked=1;//"];

  test('it is text', async () => {
    const { url, gateway } = await setup({ limits: [{ name: 'few', requests: '1/hour', per: 'all', mode: 'shadow' }] });
    const { limiter } = gateway;
    for (const hack of hacks) {
      await read(post(`${url}/api/generate`, { ...generate, model: hack }));
      // Names of this shape do not come in over HTTP; an identity may be anything to whoever has the limiter.
      const decision = limiter.admitNow({ identity: hack, operation: 'generate', model: hack });
      if (decision.admitted) atEnd(async () => decision.permit.cancel());
    }
    const { page, complaints } = await visit(browser, url);
    await live(page);
    for (const hack of hacks) {
      for (const place of ['#identities h3', '#refusals .by', '#refusals .what']) {
        await page.locator(place).getByText(hack).first().waitFor();
      }
    }
    await page.locator('#backends .models').getByText('hacked').first().waitFor();
    expect(await page.locator('main').locator('img, script').count()).toBe(0);
    expect(await page.evaluate('window.hacked')).toBeUndefined();
    expect(complaints).toEqual([]);
  });

  test('and the page could not make markup of it if it tried', async () => {
    const { url } = await setup({});
    const { page } = await visit(browser, url);
    const tried = await page.evaluate(() => {
      const outcome = (attempt: () => void): string => {
        try {
          attempt();
          return 'done';
        } catch (error) {
          return (error as Error).name;
        }
      };
      return [
        outcome(() => {
          document.createElement('div').innerHTML = '<b>x</b>';
        }),
        outcome(() => document.write('x')),
      ];
    });
    expect(tried).toEqual(['TypeError', 'TypeError']);
  });
});

describe('axe finds nothing', () => {
  test('on a desk and on a phone, in the light and in the dark, live and paused', async () => {
    const { url } = await busy();
    const { page } = await visit(browser, url, { bypassCSP: true });
    await live(page);
    await row(page, 'nightly-batch').locator('summary').click();
    for (const viewport of [desk, phone]) {
      await page.setViewportSize(viewport);
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        expect(await axeFindings(page), `${viewport.width} pixels wide, ${colorScheme}`).toEqual([]);
      }
    }
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.locator('#main[data-fresh="false"]').waitFor();
    expect(await axeFindings(page), 'paused').toEqual([]);
  });

  test('before anybody has asked', async () => {
    const { url } = await setup({});
    const { page } = await visit(browser, url, { bypassCSP: true });
    await live(page);
    expect(await axeFindings(page)).toEqual([]);
  });
});

test('everything can be done with the keyboard, and stays as it was when the next snapshot comes', async () => {
  const { url } = await busy();
  const { page } = await visit(browser, url);
  await live(page);
  const focused = (): Promise<string> =>
    page.evaluate(() => document.activeElement!.id || document.activeElement!.localName);
  const order: string[] = [];
  for (let times = 0; times < 6; times++) {
    await page.keyboard.press('Tab');
    order.push(await focused());
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle);
    expect(outline, order.at(-1)).toBe('solid');
  }
  expect(order).toEqual(['pause', 'filter', 'order', 'only-refused', 'summary', 'summary']);

  await page.keyboard.press('Enter');
  const opened = page.locator('details[open]');
  expect(await opened.getByRole('meter').count()).toBeGreaterThan(0);
  const before = await page.locator('.meta').first().textContent();
  await expect.poll(() => page.locator('.meta').first().textContent()).not.toBe(before);
  expect([await opened.count(), await focused()]).toEqual([1, 'summary']);

  await page.locator('#filter').focus();
  await page.keyboard.type('TEAM');
  await expect.poll(() => page.locator('#identities h3').allTextContents()).toEqual(['team-a']);
  expect(await page.locator('#identities-more').textContent()).toBe('1 identity not matching');
  for (let times = 0; times < 4; times++) await page.keyboard.press('Backspace');
  await page.locator('#only-refused').focus();
  await page.keyboard.press('Space');
  await expect.poll(() => page.locator('#identities h3').allTextContents()).toEqual(['nightly-batch']);

  await page.locator('#pause').focus();
  await page.keyboard.press('Enter');
  expect(await page.getByRole('status').first().textContent()).toBe('Paused');
  await page.keyboard.press('Enter');
  await live(page);
});

test('what is left can be read without seeing the bars', async () => {
  const { url } = await busy();
  const { page } = await visit(browser, url);
  await live(page);
  const meter = row(page, 'nightly-batch').getByRole('meter', { name: 'generate left' });
  expect(await meter.getAttribute('aria-valuetext')).toBe('0 of 2 left');
  expect(await page.getByRole('img', { name: /^Refusals over 30 minutes/ }).count()).toBe(1);
  expect(await page.locator('figure').first().locator('.total').textContent()).toBe('1 refused, 1 in shadow');
});

test('however narrow the screen and long the names, nothing has to be scrolled sideways', async () => {
  const endless = 'w'.repeat(400);
  const server = await fake();
  const { url } = await gatewayFor({
    backends: [{ url: server.url, name: endless.slice(0, 60) }],
    identity: [{ header: { name: 'x-user', trustProxy: '127.0.0.1' } }, { address: {} }],
    limits: [{ name: endless.slice(0, 80), requests: '1/hour' }],
  });
  for (let times = 0; times < 2; times++) {
    await read(post(`${url}/api/generate`, { ...generate, model: endless }, { 'x-user': endless.slice(0, 200) }));
  }
  const { page } = await visit(browser, url, { viewport: phone, isMobile: true });
  await live(page);
  await page.locator('#refusals li').first().waitFor();
  for (const width of [320, 375, 640, 768, 960]) {
    await page.setViewportSize({ width, height: 700 });
    const widths = (): Promise<number[]> =>
      page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
    // The charts follow once they are told of their new size.
    await expect.poll(widths).toEqual([width, width]);
  }
});

test('in the dark it is dark, charts and all, also when the evening comes while it is open', async () => {
  const { url } = await busy();
  const { page } = await visit(browser, url, { colorScheme: 'light' });
  await live(page);
  const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const chart = () => page.locator('canvas').first().screenshot();
  const [day, chartByDay] = [await page.evaluate(() => getComputedStyle(document.body).backgroundColor), await chart()];
  await page.emulateMedia({ colorScheme: 'dark' });
  await expect.poll(() => page.evaluate(() => getComputedStyle(document.body).backgroundColor)).not.toBe(day);
  expect(day).toBe('rgb(246, 246, 243)');
  await expect.poll(async () => (await chart()).equals(chartByDay)).toBe(false);
  expect(await background()).not.toBe(day);
});

test('after the gateway was away it says so, and comes back by itself', async () => {
  const server = await fake();
  const host = ownAddress();
  const options = { policy: { backends: [{ url: server.url, name: 'first' }] }, host, log: false } as const;
  const gateway = await startGateway({ ...options, port: 0 });
  atEnd(() => gateway.close({ drainMs: 0 }));
  const { page } = await visit(browser, gateway.url);
  await live(page);
  await gateway.close({ drainMs: 0 });
  await page.getByText('Reconnecting').waitFor();
  const again = await startGateway({
    ...options,
    policy: { backends: [{ url: server.url, name: 'second' }] },
    port: gateway.port,
  });
  atEnd(() => again.close({ drainMs: 0 }));
  await page.getByRole('heading', { name: 'second' }).waitFor();
  await live(page);
  expect(await page.getByRole('heading', { name: 'first' }).count()).toBe(0);
});

test('from elsewhere a browser gets in with the admin key as its password', async () => {
  const { url } = await setup({ admin: { key: 'admin-key-1' } });
  const extraHTTPHeaders = { 'x-forwarded-for': '203.0.113.1' };
  const httpCredentials = { username: 'me', password: 'admin-key-1' };
  const { page } = await visit(browser, url, { extraHTTPHeaders, httpCredentials });
  await live(page);
});

test('a page that nobody sees takes no snapshots', async () => {
  const { url } = await setup({});
  const { page } = await visit(browser, url);
  await live(page);
  const see = (state: string) =>
    page.evaluate((visibilityState) => {
      Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => visibilityState });
      document.dispatchEvent(new Event('visibilitychange'));
    }, state);
  await see('hidden');
  await read(post(`${url}/api/generate`, generate));
  const other = await visit(browser, url);
  await other.page.getByText('of 1 in ten minutes').waitFor();
  expect(await page.getByText('of 0 in ten minutes').count()).toBe(1);
  await see('visible');
  await page.getByText('of 1 in ten minutes').waitFor();
});
