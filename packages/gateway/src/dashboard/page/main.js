// @ts-check
// The page: one stream of snapshots, and the parts that show them.
import { BackendsView } from './backends.js';
import { Connection } from './connection.js';
import { byId, write } from './elements.js';
import { IdentitiesView } from './identities.js';
import { NowView } from './now.js';
import { RefusalsView } from './refusals.js';
import { Timeline } from './timeline.js';

/** @type {Readonly<Record<import('./connection.js').State, string>>} */
const words = { connecting: 'Connecting', live: 'Live', lost: 'Reconnecting', paused: 'Paused' };

const now = new NowView(byId('now'));
const timeline = new Timeline(byId('timeline'));
const backends = new BackendsView(byId('backends'));
const identities = new IdentitiesView();
const refusals = new RefusalsView();

const connection = new Connection('dashboard/events', { onOpen: () => timeline.forget(), onSnapshot: show, onState });
write(byId('host'), location.host);
byId('pause').addEventListener('click', () => {
  connection.isPaused = !connection.isPaused;
  write(byId('pause'), connection.isPaused ? 'Resume' : 'Pause');
});
connection.start();

/** @param {import('../snapshot.js').Snapshot} snapshot */
function show(snapshot) {
  now.show(snapshot);
  timeline.show(snapshot.timeline, snapshot.at);
  backends.show(snapshot.backends);
  identities.show(snapshot);
  refusals.show(snapshot.refusals);
  const { waiting } = snapshot.now;
  document.title = waiting > 0 ? `${waiting} waiting · Headgate` : 'Headgate';
  tell(snapshot);
}

/** @param {import('../snapshot.js').Snapshot} snapshot */
function tell({ draining, storeUp }) {
  const notice = byId('notice');
  const text = draining
    ? 'The gateway is being stopped: nobody is admitted, and running answers end.'
    : storeUp
      ? ''
      : 'The store of the counters does not answer: until it does, decisions are made as the policy’s onDown says.';
  write(notice, text);
  notice.hidden = text === '';
}

/** @param {import('./connection.js').State} state */
function onState(state) {
  const status = byId('status');
  write(status, words[state]);
  status.dataset.state = state;
  // What is shown is what was.
  byId('main').dataset.fresh = String(state === 'live');
}
