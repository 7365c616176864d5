import type { Charged } from '../model.js';
import type { Cost } from './store.js';

export const noCost: Cost = {
  requests: 0,
  inputTokens: 0,
  outputTokens: 0,
  cost: 0,
  gpuSeconds: 0,
  failures: 0,
  toolCalls: 0,
};

/** The same with these charges in place of its own. */
export function withCharges(of: Cost, { inputTokens, outputTokens, cost, gpuSeconds }: Charged): Cost {
  const { requests, failures, toolCalls } = of;
  return { requests, inputTokens, outputTokens, cost, gpuSeconds, failures, toolCalls };
}

/** What the one is more than the other, of each kind; `noCost` itself when it is nothing. */
export function beyond(a: Cost, b: Cost): Cost {
  const more = {
    requests: Math.max(0, a.requests - b.requests),
    inputTokens: Math.max(0, a.inputTokens - b.inputTokens),
    outputTokens: Math.max(0, a.outputTokens - b.outputTokens),
    cost: Math.max(0, a.cost - b.cost),
    gpuSeconds: Math.max(0, a.gpuSeconds - b.gpuSeconds),
    failures: Math.max(0, a.failures - b.failures),
    toolCalls: Math.max(0, a.toolCalls - b.toolCalls),
  };
  return Object.values(more).some((units) => units > 0) ? more : noCost;
}

/** Both together. */
export function sum(a: Cost, b: Cost): Cost {
  return {
    requests: a.requests + b.requests,
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    cost: a.cost + b.cost,
    gpuSeconds: a.gpuSeconds + b.gpuSeconds,
    failures: a.failures + b.failures,
    toolCalls: a.toolCalls + b.toolCalls,
  };
}
