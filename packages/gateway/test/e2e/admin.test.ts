import { describe, expect, it } from 'vitest';
import { stillTime } from '../../../../test/support/still-time.js';
import { asker } from '../support/asking.js';
import { chat, generate, post, setup, until } from '../support/harness.js';

const key = 'admin-key-1';

describe('the pages for operators', () => {
  it('say to everyone that the process is up', async () => {
    const { url } = await setup({ admin: { key } });
    const answer = await fetch(`${url}/healthz`, { headers: { 'x-forwarded-for': '1.2.3.4' } });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({ status: 'ok' });
  });

  it.each(['/metrics', '/readyz', '/dashboard'])('%s is not for who comes through a proxy', async (path) => {
    const { url } = await setup({});
    for (const header of ['x-forwarded-for', 'forwarded', 'via', 'x-real-ip', 'x-forwarded-proto']) {
      const answer = await fetch(url + path, { headers: { [header]: '127.0.0.1' } });
      expect(answer.status, header).toBe(403);
    }
  });

  it('are not for a web page whose name was pointed at this machine', async () => {
    const { gateway } = await setup({});
    const { status } = await asker(gateway.port)({ path: '/metrics', headers: { host: 'evil.example' } });
    expect(status).toBe(403);
  });

  it('are for the bearer of the admin key, wherever from', async () => {
    const { url } = await setup({ admin: { key } });
    const through = { 'x-forwarded-for': '1.2.3.4' };
    const ask = (authorization: string): Promise<Response> =>
      fetch(`${url}/metrics`, { headers: { ...through, authorization } });
    expect((await ask(`Bearer ${key}`)).status).toBe(200);
    expect((await ask('Bearer wrong')).status).toBe(401);
    expect((await ask(key)).status).toBe(401);
    expect((await fetch(`${url}/metrics`, { headers: through })).status).toBe(401);
    expect((await fetch(`${url}/metrics`)).status).toBe(200);
  });

  it('say ready while a backend answers, and not ready when none does', async () => {
    const { url } = await setup({});
    const ready = await fetch(`${url}/readyz`);
    expect(ready.status).toBe(200);
    expect(await ready.json()).toMatchObject({ ready: true, backends: { b1: true }, states: { b1: 'healthy' } });
    const { url: lonely, backend: gone } = await setup({});
    await gone.close();
    expect((await fetch(`${lonely}/readyz`)).status).toBe(503);
  });

  it('count what happened, by the words of the policy', async () => {
    stillTime();
    const { url } = await setup({ limits: [{ name: 'gen', match: { operation: 'generate' }, requests: '2/min' }] });
    for (let times = 0; times < 4; times++) await (await post(`${url}/api/generate`, generate)).arrayBuffer();
    await (await post(`${url}/nowhere`, {})).arrayBuffer();
    const text = await (await fetch(`${url}/metrics`)).text();
    for (const line of [
      'headgate_requests_total{operation="generate",decision="admitted"} 2',
      'headgate_requests_total{operation="generate",decision="refused"} 2',
      'headgate_requests_total{operation="none",decision="refused"} 1',
      'headgate_refusals_total{reason="limit",limit="gen",mode="enforce"} 2',
      'headgate_refusals_total{reason="not-found",limit="",mode="enforce"} 1',
      'headgate_tokens_total{direction="output",model="llama3.2",tier="default"} 36',
      'headgate_requests_in_flight 0',
      'headgate_requests_waiting 0',
      'headgate_slots{backend="b1"} 4',
      'headgate_slots_used{backend="b1"} 0',
      'headgate_backend_up{backend="b1"} 1',
      'headgate_queue_wait_seconds_count 2',
      'headgate_first_byte_seconds_count 2',
      'headgate_request_seconds_count 2',
      'headgate_estimate_ratio_count{direction="input"} 2',
      'headgate_model_loads_total{backend="b1"} 1',
      'gen_ai_server_request_duration_seconds_count{gen_ai_operation_name="text_completion",gen_ai_request_model="llama3.2"} 2',
      'gen_ai_client_token_usage_sum{gen_ai_operation_name="text_completion",gen_ai_request_model="llama3.2",gen_ai_token_type="output"} 36',
    ]) {
      expect(text).toContain(line);
    }
  });

  it('tell when the first token of a stream came', async () => {
    const { url, log } = await setup({});
    await (await post(`${url}/api/chat`, { ...chat, stream: true })).arrayBuffer();
    await until(() => log.length === 1, 'the request is in the log');
    const text = await (await fetch(`${url}/metrics`)).text();
    const pair = '{gen_ai_operation_name="chat",gen_ai_request_model="llama3.2"}';
    expect(text).toContain(`gen_ai_server_time_to_first_token_seconds_count${pair} 1`);
    expect(text).toContain(`gen_ai_server_time_per_output_token_seconds_count${pair} 1`);
    const { firstByteMs, firstTokenMs, totalMs } = log[0] as Record<string, number>;
    expect(firstTokenMs).toBeGreaterThanOrEqual(firstByteMs!);
    expect(firstTokenMs).toBeLessThan(totalMs!);
  });

  it('keep the number of series bounded, however many models clients name', async () => {
    const { url } = await setup({}, { backends: [{ models: Array.from({ length: 150 }, (_, i) => `m${i}:1b`) }] });
    for (let i = 0; i < 150; i++) {
      await (await post(`${url}/api/generate`, { ...generate, model: `m${i}:1b` })).arrayBuffer();
    }
    const text = await (await fetch(`${url}/metrics`)).text();
    const models = new Set([...text.matchAll(/direction="output",model="([^"]*)"/g)].map(([, model]) => model));
    expect(models.size).toBe(101);
    expect(models).toContain('other');
  });
});
