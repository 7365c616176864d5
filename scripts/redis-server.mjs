// Finds the Redis server that the tests start for themselves, or installs one where that can be done without asking.
// Only Node's own modules here: the bootstrap runs this before anything is installed.
import { spawnSync } from 'node:child_process';
import { canInstall, installByApt } from './apt.mjs';

/** What `@headgate/redis` promises to run on. */
const versionMin = [6, 2];
const names = ['redis-server', 'valkey-server'];

/** The program and its version, or undefined when it is not there or too old. */
function probe(program) {
  const { status, stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  const [, major, minor] = /v=(\d+)\.(\d+)/.exec(stdout ?? '') ?? [];
  if (status !== 0 || major === undefined) return undefined;
  const [majorMin, minorMin] = versionMin;
  const isNewEnough = Number(major) > majorMin || (Number(major) === majorMin && Number(minor) >= minorMin);
  return isNewEnough ? program : undefined;
}

/** `HEADGATE_REDIS_SERVER`, else what is on the PATH; undefined when there is none. */
export function findRedisServer(env = process.env) {
  const given = env.HEADGATE_REDIS_SERVER;
  if (given !== undefined && given !== '') return probe(given);
  return names.find(probe);
}

/** The server to test against. Calls `fail` with a sentence that says what to do when there is none. */
export function requireRedisServer(fail) {
  const found = findRedisServer();
  if (found !== undefined) return found;
  const wanted = `a Redis server, ${versionMin.join('.')} or newer`;
  if (process.env.HEADGATE_REDIS_SERVER) {
    return fail(`HEADGATE_REDIS_SERVER does not name ${wanted}: ${process.env.HEADGATE_REDIS_SERVER}`);
  }
  const byHand =
    'Install one (apt-get install redis-server, brew install redis, or valkey-server) so that it is on the PATH, or name it in HEADGATE_REDIS_SERVER.';
  if (!canInstall()) return fail(`The tests need ${wanted}, and none was found. ${byHand}`);
  console.error('> installing redis-server, since none was found');
  const installed = installByApt('redis-server') ? findRedisServer() : undefined;
  return installed ?? fail(`The tests need ${wanted}, and apt-get could not install one. ${byHand}`);
}
