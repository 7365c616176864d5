/** `POST /jobs`: what is submitted is read as the request itself would be, and left with the others. */
import {
  type Gate,
  type GateRequest,
  isRefusal,
  type JobRules,
  type Limiter,
  type Recognised,
  type Refusal,
  refuse,
} from '@headgate/core';
import { jsonOf } from '@headgate/core/http';
import { type Again, againOf, otherSubmission } from './again.js';
import type { JobsAnswer } from './answer.js';
import { callbackProblem } from './hosts.js';
import type { JobData } from './job.js';
import type { Service } from './service.js';
import { readSubmission, type Submission } from './submission.js';
import { type JobView, newView, viewOf } from './view.js';

export interface SubmitContext {
  readonly gate: Gate;
  readonly limiter: Limiter;
  readonly service: Service;
}

const retryAfterMs = 5_000;

/** @throws QueueDownError */
export async function submit(
  context: SubmitContext,
  request: GateRequest,
  who: Recognised,
): Promise<JobsAnswer | Refusal> {
  const { limiter, service } = context;
  const submission = await readBody(limiter, request);
  if (isRefusal(submission)) return submission;
  const again = againOf(request.headers, who.identity.id, submission);
  if (again !== undefined && 'reason' in again) return again;
  // Before anything else: what is taken for a job now need not be what was when it was submitted.
  const kept = again === undefined ? undefined : await keptView(service, again);
  if (kept !== undefined) return 'reason' in kept ? kept : accepted(who, kept, true);
  const data = await jobOf(context, request, who, submission);
  if (isRefusal(data)) return data;
  const { jobs } = limiter.policy;
  const left = await service.ask(() => service.board.submit(data, jobs, again));
  if (left === 'other') return otherSubmission;
  if ('full' in left) return full(left.full, who, jobs);
  if (left.isNew || again === undefined) return accepted(who, newView(left.id, data), false);
  const known = await keptView(service, again);
  return known !== undefined && 'reason' in known ? known : accepted(who, known ?? newView(left.id, data), true);
}

async function readBody(limiter: Limiter, request: GateRequest): Promise<Submission | Refusal> {
  const { jobs, guard } = limiter.policy;
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') return refuse('bad-encoding', 'compressed request bodies are not accepted.');
  const bytesMax = Math.min(jobs.bodyBytesMax, guard.bodyBytesMax);
  const json = jsonOf(await request.readBody(bytesMax), bytesMax);
  return json.ok ? readSubmission(json.value) : json.refusal;
}

/** The job that an earlier one like it has made, as it is now. */
function keptView(service: Service, again: Again): Promise<JobView | Refusal | undefined> {
  return service.ask(async () => {
    const job = await service.board.kept(again);
    if (job === undefined) return undefined;
    return job === 'other' ? otherSubmission : viewOf(service.board, job);
  });
}

async function jobOf(
  { gate, limiter }: SubmitContext,
  request: GateRequest,
  who: Recognised,
  { path, body, priority, callback }: Submission,
): Promise<JobData | Refusal> {
  const against = callback === undefined ? undefined : callbackProblem(callback, limiter.policy.jobs);
  if (against !== undefined) return against;
  const asked = {
    ...request,
    method: 'POST',
    target: path,
    readBody: async () => ({ ok: true, value: body }) as const,
  };
  const examined = await gate.examine(asked, who.identity);
  if (!examined.open) return examined.refusal;
  const { operation, model } = examined.about;
  if (operation !== 'chat' && operation !== 'generate' && operation !== 'embed') {
    return refuse('bad-request', `a job asks a model, and ${path.slice(0, 200)} does not.`);
  }
  const forwardedFor = request.headers['x-forwarded-for'];
  return {
    ...{ identity: who.identity, path: examined.about.path, body: JSON.stringify(body), priority },
    ...{ remoteAddress: request.remoteAddress, submittedAt: limiter.clock.wall() },
    ...(model === undefined ? {} : { model }),
    ...(typeof forwardedFor === 'string' ? { forwardedFor } : {}),
    ...(callback === undefined ? {} : { callback: callback.href }),
  };
}

function accepted({ about }: Recognised, body: JobView, isReplayed: boolean): JobsAnswer {
  const headers = { location: `/jobs/${body.id}`, ...(isReplayed ? { 'idempotent-replayed': 'true' } : {}) };
  return { open: true, about, status: 202, headers, body };
}

function full(which: 'all' | 'identity', who: Recognised, { depth, perIdentity }: JobRules): Refusal {
  const message =
    which === 'all'
      ? `${depth} jobs wait already (jobs.depth); please try again in 5s.`
      : `${perIdentity} jobs of ${who.identity.id} wait already (jobs.perIdentity); please try again in 5s.`;
  return refuse('queue-full', message, { retryAfterMs });
}
