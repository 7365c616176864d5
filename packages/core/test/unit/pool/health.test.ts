import { describe, expect, test } from 'vitest';
import { Health, type HealthListener } from '../../../src/pool/health.js';
import { VirtualClock } from '../../../src/testing/virtual-clock.js';
import { middle, poolRules } from '../../support/pool.js';

const second = 1_000;

class Patient {
  readonly clock = new VirtualClock();
  readonly journal: string[] = [];
  mayEject = true;
  rooms = 0;
  readonly health: Health;

  constructor(random = middle) {
    const listener: HealthListener = {
      mayEject: () => this.mayEject,
      onDown: () => this.journal.push('down'),
      onUp: () => this.journal.push('up'),
      onEjected: (cause, forMs) => this.journal.push(`ejected ${cause} ${Math.round(forMs / second)}s`),
      onRoom: () => {
        this.rooms++;
      },
    };
    this.health = new Health(poolRules(), this.clock, random, listener);
  }

  get state(): string {
    return this.health.state;
  }

  /** A request that fails, from its sending on. */
  fails(times = 1): this {
    for (let i = 0; i < times; i++) {
      const era = this.health.enter();
      this.health.failed('reset', era);
      this.health.leave(era);
    }
    return this;
  }

  succeeds(): this {
    const era = this.health.enter();
    this.health.answered(era);
    this.health.succeeded(era);
    this.health.leave(era);
    return this;
  }

  probes(...answers: boolean[]): this {
    for (const good of answers) this.health.probed(good);
    return this;
  }

  static ejected(): Patient {
    return new Patient().fails(3);
  }

  static probing(): Patient {
    const patient = Patient.ejected();
    patient.clock.advance(30 * second);
    return patient;
  }
}

describe('failures of requests', () => {
  test('make a suspect, and three in a row put it out', () => {
    const patient = new Patient();
    expect(patient.state).toBe('healthy');
    expect(patient.fails(2).state).toBe('suspect');
    expect(patient.health.failures).toBe(2);
    expect(patient.fails().state).toBe('ejected');
    expect(patient.journal).toEqual(['ejected reset 30s']);
    expect([patient.health.usable, patient.health.usableSlots(4)]).toEqual([false, 0]);
  });

  test('with a good answer between them are not in a row', () => {
    const patient = new Patient().fails(2).succeeds();
    expect(patient.state).toBe('healthy');
    expect(patient.fails(2).state).toBe('suspect');
  });

  test('leave a suspect that nothing else is heard of for no longer than the time between two probes', () => {
    const patient = new Patient().fails();
    patient.clock.advance(10 * second - 1);
    expect(patient.state).toBe('suspect');
    patient.clock.advance(1);
    expect([patient.state, patient.health.failures]).toEqual(['healthy', 0]);
  });

  test('never put out one that the others cannot do without', () => {
    const patient = new Patient();
    patient.mayEject = false;
    expect(patient.fails(10).state).toBe('suspect');
    expect([patient.health.usable, patient.journal]).toEqual([true, []]);
    patient.mayEject = true;
    expect(patient.fails().state).toBe('ejected');
  });

  test('told late, of requests from before the ejection, say nothing new', () => {
    const patient = new Patient();
    const eras = Array.from({ length: 6 }, () => patient.health.enter());
    for (const era of eras.slice(0, 3)) patient.health.failed('died', era);
    patient.clock.advance(30 * second);
    for (const era of eras.slice(3)) patient.health.failed('died', era);
    expect(patient.state).toBe('probing');
    patient.health.succeeded(eras[0]!);
    patient.health.answered(eras[0]!);
    expect(patient.state).toBe('probing');
  });
});

describe('after an ejection', () => {
  test('one request is let in, and no second one before it has answered', () => {
    const patient = Patient.ejected();
    patient.clock.advance(30 * second - 1);
    expect([patient.state, patient.health.backMs]).toEqual(['ejected', 1]);
    patient.clock.advance(1);
    expect([patient.state, patient.health.usable, patient.rooms]).toEqual(['probing', true, 1]);
    expect(patient.health.usableSlots(4)).toBe(4);
    const era = patient.health.enter();
    expect([patient.health.usable, patient.health.usableSlots(4)]).toEqual([true, 0]);
    patient.health.answered(era);
    expect([patient.state, patient.journal.at(-1)]).toEqual(['slow-start', 'up']);
  });

  test('a trial that fails puts it out again, for twice as long each time, ten times at most', () => {
    const patient = Patient.ejected();
    const lasted: number[] = [];
    for (let i = 0; i < 6; i++) {
      const from = patient.clock.now();
      patient.clock.advance(patient.health.backMs);
      lasted.push((patient.clock.now() - from) / second);
      patient.fails();
    }
    expect(lasted).toEqual([30, 60, 120, 240, 300, 300]);
  });

  test('durations vary by a tenth, so that backends do not come back in step', () => {
    const [early, late] = [new Patient(() => 0).fails(3), new Patient(() => 0.999_999).fails(3)];
    expect(early.health.backMs).toBeCloseTo(27 * second);
    expect(late.health.backMs).toBeCloseTo(33 * second, -1);
  });

  test('a trial whose client left proves nothing, and the next one is let in', () => {
    const patient = Patient.probing();
    const before = patient.rooms;
    patient.health.leave(patient.health.enter());
    expect([patient.state, patient.health.usableSlots(4), patient.rooms]).toEqual(['probing', 4, before + 1]);
  });

  test('a trial that stands still where the others cannot do without it holds up no other, and those who wait are told', () => {
    const patient = Patient.probing();
    patient.mayEject = false;
    const before = patient.rooms;
    patient.health.hung(patient.health.enter());
    expect([patient.state, patient.health.usableSlots(4), patient.rooms]).toEqual(['probing', 4, before + 1]);
  });

  test('probes that say it is well let it back without a trial', () => {
    const patient = Patient.probing().probes(true);
    expect(patient.state).toBe('probing');
    expect(patient.probes(true).state).toBe('slow-start');
  });

  test('for standing still, probes prove nothing: only an answer does', () => {
    const patient = new Patient();
    patient.health.hung(patient.health.enter());
    expect(patient.journal).toEqual(['ejected hung 30s']);
    patient.clock.advance(30 * second);
    expect(patient.probes(true, true, true).state).toBe('probing');
    expect(patient.succeeds().state).toBe('slow-start');
  });

  test('the last one that is left is let back at once', () => {
    const patient = Patient.ejected();
    patient.health.lastResort();
    expect([patient.state, patient.health.usable]).toEqual(['probing', true]);
    expect(patient.clock.timers).toBe(0);
  });

  test('a new one soon after counts as the next in a row, a late one as the first', () => {
    const [soon, late] = [Patient.probing().succeeds(), Patient.probing().succeeds()];
    soon.clock.advance(30 * second);
    expect(soon.fails(3).journal.at(-1)).toBe('ejected reset 60s');
    late.clock.advance(41 * second);
    expect(late.fails(3).journal.at(-1)).toBe('ejected reset 30s');
  });
});

describe('slow start', () => {
  test('gives slots back one after the other, and says so each time', () => {
    const patient = Patient.probing().succeeds();
    const seen: number[] = [];
    for (let i = 0; i <= 8; i++) {
      seen.push(patient.health.usableSlots(4));
      patient.clock.advance(1_250);
    }
    expect(seen).toEqual([1, 1, 1, 1, 2, 2, 3, 3, 4]);
    expect([patient.state, patient.rooms, patient.clock.timers]).toEqual(['healthy', 10, 0]);
  });

  test('of one with a single slot is no slower', () => {
    expect(Patient.probing().succeeds().health.usableSlots(1)).toBe(1);
  });

  test('ends when it fails as often as any other', () => {
    const patient = Patient.probing().succeeds().fails(2);
    expect(patient.state).toBe('slow-start');
    expect(patient.fails().state).toBe('ejected');
    expect(patient.clock.timers).toBe(1);
  });
});

describe('probes', () => {
  test('three bad ones in a row take it down, two good ones in a row bring it back', () => {
    const patient = new Patient().probes(false, false, true, false, false);
    expect(patient.state).toBe('suspect');
    expect(patient.probes(false).state).toBe('down');
    expect([patient.health.usable, patient.health.backMs]).toEqual([false, 20 * second]);
    expect(patient.probes(true, false, true).state).toBe('down');
    expect(patient.health.backMs).toBe(10 * second);
    expect(patient.probes(true).state).toBe('slow-start');
    expect(patient.journal).toEqual(['down', 'up']);
  });

  test('a good one clears a suspicion, and not the count of failures', () => {
    const patient = new Patient().fails(2).probes(true);
    expect(patient.state).toBe('healthy');
    expect(patient.fails().state).toBe('ejected');
  });

  test('take down what is ejected or on trial too', () => {
    const ejected = Patient.ejected().probes(false, false, false);
    expect([ejected.state, ejected.clock.timers]).toEqual(['down', 0]);
    expect(Patient.probing().probes(false, false, false).state).toBe('down');
  });

  test('of one that is down outweigh what its last requests say', () => {
    const patient = new Patient();
    const era = patient.health.enter();
    patient.probes(false, false, false);
    patient.health.succeeded(era);
    patient.health.failed('died', era);
    expect([patient.state, patient.journal]).toEqual(['down', ['down']]);
  });
});

test('what is closed changes no more, and leaves no timer', () => {
  const patient = Patient.ejected();
  patient.health.close();
  expect(patient.clock.timers).toBe(0);
  const other = new Patient();
  const era = other.health.enter();
  other.health.close();
  for (let i = 0; i < 3; i++) other.health.failed('reset', era);
  expect([other.journal, other.clock.timers]).toEqual([[], 0]);
});
