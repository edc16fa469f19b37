import fc from 'fast-check';
import { expect } from 'chai';
import type { WaitStrategy } from '../../src/index.js';
import { sweeps } from '../../src/transport/ring/parking.js';
import { catchingUncaught } from '../support/uncaught.js';
import { type Kind, type Way, ways } from './links.js';

/** What a listener does besides keeping the value. */
const deeds = [
  'nothing',
  'throws',
  'throws and closes itself',
  'closes another',
  'removes all listeners',
  'sends from within',
  'blocks',
  'awaits and throws',
] as const;
type Deed = (typeof deeds)[number];

interface Plan {
  kind: Kind;
  wait: WaitStrategy;
  deed: Deed;
  /** With which of its values it does so. */
  at: number;
  /** Whom it closes, as an index. */
  other: number;
  count: number;
}

const strategies: WaitStrategy[] = ['park', 'busy', { spin: 0 }, { spin: 50 }];

const plan = (kinds: Kind[]) =>
  fc.record<Plan>({
    kind: fc.constantFrom(...kinds),
    wait: fc.constantFrom(...strategies),
    deed: fc.constantFrom(...deeds),
    at: fc.nat(20),
    other: fc.nat(10),
    count: fc.integer({ min: 1, max: 40 }),
  });

/** One way under test, and what arrived by it. */
interface Run {
  plan: Plan;
  way: Way;
  got: number[];
  sent: number;
  /** Closed by its listener or another's, or deaf since its listener removed it. */
  isOver: boolean;
}

function block(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

/** Does what the plan says with the value that just arrived. */
function act(run: Run, runs: Run[]): void {
  const { deed, at, other } = run.plan;
  if (run.got.length - 1 !== at) return;
  if (deed === 'throws') throw new Error(deed);
  if (deed === 'throws and closes itself') {
    run.isOver = true;
    run.way.close();
    throw new Error(deed);
  }
  if (deed === 'closes another') {
    const victim = runs[other % runs.length]!;
    victim.isOver = true;
    victim.way.close();
  }
  if (deed === 'removes all listeners') {
    run.isOver = true;
    run.way.removeAllListeners();
  }
  if (deed === 'sends from within') {
    for (const each of runs) sendNext(each);
  }
  if (deed === 'blocks') block(5);
  if (deed === 'awaits and throws') {
    queueMicrotask(() => {
      throw new Error(deed);
    });
  }
}

function sendNext(run: Run): void {
  if (run.isOver || run.sent === run.plan.count) return;
  if (run.way.send(run.sent)) run.sent++;
}

async function play(plans: Plan[]): Promise<void> {
  const runs: Run[] = [];
  for (const plan of plans) {
    const way = await ways[plan.kind](plan.wait);
    runs.push({ plan, way, got: [], sent: 0, isOver: false });
  }
  try {
    await catchingUncaught(async () => {
      for (const run of runs) {
        run.way.listen(value => {
          run.got.push(value);
          act(run, runs);
        });
      }
      const isDone = (run: Run) =>
        run.isOver || (run.sent === run.plan.count && run.got.length >= run.sent);
      // Mocha's time limit is the watchdog. Each turn sends one more everywhere.
      while (!runs.every(isDone)) {
        for (const run of runs) sendNext(run);
        await new Promise(setImmediate);
      }
    });
    for (const run of runs) {
      const expected = Array.from({ length: run.isOver ? run.got.length : run.sent }, (_, i) => i);
      expect(run.got, run.plan.kind).to.deep.equal(expected);
    }
  } finally {
    for (const { way } of runs) await way.end();
  }
}

describe('Whatever a listener does, what was sent to others arrives in order', function () {
  this.timeout(120_000);

  before(() => (sweeps.enabled = false));
  after(() => (sweeps.enabled = true));

  const mixes: [kinds: Kind[], most: number, numRuns: number][] = [
    [['channel', 'ring'], 8, 300],
    [['channel', 'conn'], 6, 150],
    [['channel', 'ring', 'conn', 'bus'], 5, 60],
  ];
  for (const [kinds, maxLength, numRuns] of mixes) {
    it(`${kinds.join(', ')}: ${numRuns} mixes of up to ${maxLength}`, async () => {
      const plans = fc.array(plan(kinds), { minLength: 2, maxLength });
      await fc.assert(fc.asyncProperty(plans, play), { numRuns, endOnFailure: true });
    });
  }
});
