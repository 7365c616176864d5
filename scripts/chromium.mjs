// Finds the browser that the dashboard is tested in, or installs one where that can be done without asking.
// Only Node's own modules here: the bootstrap runs this before anything is installed.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { canInstall, installByApt } from './apt.mjs';

/** The Debian package. */
const packageName = 'chromium';
const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const macApp = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome';

/** The program, or undefined when it is not there or no browser of that kind. */
function probe(program) {
  const { status, stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  return status === 0 && /^(?:Chromium|Google Chrome) \d+/m.test(stdout) ? program : undefined;
}

/** Its file: `HEADGATE_CHROMIUM`, else what is on the PATH; undefined when there is none. */
export function findChromium(env = process.env) {
  const given = env.HEADGATE_CHROMIUM;
  if (given !== undefined && given !== '') return probe(given);
  const folders = (env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  const files = [...names.flatMap((name) => folders.map((folder) => join(folder, name))), macApp];
  return files.find((file) => existsSync(file) && probe(file) !== undefined);
}

/** The browser to test in. Calls `fail` with a sentence that says what to do when there is none. */
export function requireChromium(fail) {
  const found = findChromium();
  if (found !== undefined) return found;
  if (process.env.HEADGATE_CHROMIUM) {
    return fail(`HEADGATE_CHROMIUM does not name Chromium or Chrome: ${process.env.HEADGATE_CHROMIUM}`);
  }
  const byHand =
    'Install one (apt-get install chromium, brew install --cask google-chrome) so that it is on the PATH, or name it in HEADGATE_CHROMIUM.';
  if (!canInstall()) return fail(`The tests need Chromium or Chrome, and none was found. ${byHand}`);
  console.error('> installing chromium for the tests of the dashboard, since none was found: about 100 MB, once');
  const started = performance.now();
  const installed = installByApt(packageName) ? findChromium() : undefined;
  if (installed === undefined) {
    return fail(`The tests need Chromium or Chrome, and apt-get could not install one. ${byHand}`);
  }
  console.error(`> chromium is installed, after ${Math.round((performance.now() - started) / 1000)} s`);
  return installed;
}
