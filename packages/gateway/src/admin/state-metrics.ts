/** What is the case now, read from the limiter when somebody asks: queue, slots, backends, store, process. */
import type { Backend, LessonStats, Limiter } from '@headgate/core';
import type { Few, Instruments, Readings } from './instruments.js';

const storeBuckets = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5];

export function addStateMetrics(instruments: Instruments, limiter: Limiter, backendNames: Few): void {
  queueMetrics(instruments, limiter);
  backendMetrics(instruments, limiter, backendNames);
  storeMetrics(instruments, limiter);
  lessonMetrics(instruments, limiter);
  processMetrics(instruments);
}

function queueMetrics(instruments: Instruments, limiter: Limiter): void {
  instruments.gauge('headgate_requests_in_flight', 'Requests admitted and not ended', () => limiter.stats().inFlight);
  instruments.gauge('headgate_requests_waiting', 'Requests in the queue', () => limiter.stats().waiting);
  instruments.gauges('headgate_queue_waiting', 'Requests that wait for a slot', 'priority', () =>
    Object.entries(limiter.stats().queue.waiting),
  );
  instruments.gauge(
    'headgate_queue_oldest_seconds',
    'How long the request that waits longest for a slot has waited',
    () => limiter.stats().queue.oldestMs / 1000,
  );
  instruments.gauge('headgate_queue_depth', 'How many may wait', () => limiter.policy.queue.depth);
}

function backendMetrics(instruments: Instruments, limiter: Limiter, names: Few): void {
  const each = (read: (backend: Backend) => number) => (): Readings =>
    limiter.stats().backends.map((backend) => [backend.name, read(backend)]);
  instruments.gauges(
    'headgate_slots',
    'Slots of a backend',
    'backend',
    each(({ slots }) => slots),
  );
  instruments.gauges(
    'headgate_slots_used',
    'Slots taken',
    'backend',
    each(({ used }) => used),
  );
  instruments.gauges(
    'headgate_backend_up',
    'Whether requests may be sent to a backend',
    'backend',
    each(({ usable }) => (usable ? 1 : 0)),
  );
  instruments.counts(
    'headgate_model_loads_total',
    'Requests that had to wait until a backend had loaded their model',
    'backend',
    each(({ loads }) => loads),
  );
  const ejections = instruments.counter('headgate_backend_ejections_total', 'Backends done without for a while', [
    'backend',
    'cause',
  ]);
  limiter.on('backend-ejected', ({ backend, cause }) => ejections.inc({ backend: names.of(backend), cause }));
}

function storeMetrics(instruments: Instruments, limiter: Limiter): void {
  const asked = instruments.histogram(
    'headgate_store_seconds',
    'Time that requests waited for the shared store',
    storeBuckets,
    ['outcome'],
  );
  limiter.on('store-asked', ({ tookMs, answered }) =>
    asked.observe({ outcome: answered ? 'answered' : 'failed' }, tookMs / 1000),
  );
  let isUp = true;
  limiter.on('store-down', () => {
    isUp = false;
  });
  limiter.on('store-up', () => {
    isUp = true;
  });
  instruments.gauge('headgate_store_up', 'Whether the store of the counters answers', () => (isUp ? 1 : 0));
  instruments.gauges('headgate_store_mode', 'How decisions are made now', 'mode', () => {
    const { store } = limiter.policy;
    const mode = store.kind === 'memory' ? 'memory' : isUp ? 'shared' : store.onDown;
    return ['memory', 'shared', 'open', 'closed', 'local-share'].map((one) => [one, one === mode ? 1 : 0]);
  });
}

/** Without a shared store there are none of these. */
function lessonMetrics(instruments: Instruments, limiter: Limiter): void {
  const readings = (...outcomes: readonly (keyof LessonStats)[]): Readings => {
    const { lessons } = limiter.stats();
    return lessons === undefined ? [] : outcomes.map((outcome) => [outcome, lessons[outcome]]);
  };
  instruments.counts(
    'headgate_lesson_exchanges_total',
    'Times that what answers taught was exchanged with other processes',
    'outcome',
    () => readings('answered', 'failed'),
  );
  instruments.counts(
    'headgate_lessons_total',
    'Lessons told to other processes, heard from them, and heard but not understood',
    'outcome',
    () => readings('told', 'heard', 'unreadable'),
  );
}

/** By the names that every client library of Prometheus gives them. */
function processMetrics(instruments: Instruments): void {
  const startedAt = Date.now() / 1000 - process.uptime();
  instruments.gauge('process_start_time_seconds', 'When the process began, seconds since 1970', () => startedAt);
  instruments.gauge('process_resident_memory_bytes', 'Memory of the process', () => process.memoryUsage.rss());
  instruments.counted('process_cpu_seconds_total', 'Time of processors that the process took', () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
}
