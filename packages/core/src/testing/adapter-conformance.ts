/**
 * What every adapter to a web framework must do, over real sockets: 22 scenarios without a test framework. Hand each
 * `run` to yours; it rejects with a sentence when the adapter fails.
 *
 *   for (const { name, run } of adapterConformance(harness)) test(name, run);
 */
import { admissionScenarios } from './adapter-conformance-admission.js';
import { answerScenarios } from './adapter-conformance-answers.js';
import { pathScenarios } from './adapter-conformance-paths.js';
import type { AdapterHarness } from './adapter-conformance-world.js';

export type {
  AdapterHarness,
  AdapterServer,
  AdapterSetup,
  ConformanceHandler,
  Exchange,
} from './adapter-conformance-world.js';

export interface Scenario {
  readonly name: string;
  run(): Promise<void>;
}

export function adapterConformance(harness: AdapterHarness): readonly Scenario[] {
  return Object.entries({ ...admissionScenarios, ...answerScenarios, ...pathScenarios }).map(([name, body]) => ({
    name,
    run: () => body(harness),
  }));
}
