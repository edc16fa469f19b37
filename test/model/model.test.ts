import { expect } from 'chai';
import { explore } from './checker.js';
import { RingModel } from './ring-model.js';
import { type Bounds, type Mode, mutations, redundant } from './ring-state.js';

const modes: Mode[] = ['blocked', 'parked'];

function run(bounds: Bounds) {
  return explore(new RingModel(bounds));
}

/** Both sides in each way of sleeping: by a futex and on the event loop. */
const pairs = modes.flatMap(producer => modes.map(consumer => ({ producer, consumer })));

interface Scenario {
  readonly name: string;
  readonly bounds: Omit<Bounds, 'producer' | 'consumer'>;
}

const scenarios: Scenario[] = [
  { name: 'nobody dies, no re-poll', bounds: { capacity: 2, messages: 4 } },
  { name: 'the producer lingers', bounds: { capacity: 2, messages: 3, lingers: true } },
  { name: 'a wider ring', bounds: { capacity: 3, messages: 4 } },
  { name: 'a ring of one', bounds: { capacity: 1, messages: 3 } },
  { name: 'the consumer closes early', bounds: { capacity: 2, messages: 4, stopAfter: 1 } },
  {
    name: 'either dies at any step',
    bounds: { capacity: 2, messages: 3, repoll: true, deaths: ['producer', 'consumer'] },
  },
  {
    name: 'a killed consumer is followed by another',
    bounds: { capacity: 2, messages: 3, repoll: true, deaths: ['consumer'], restart: true },
  },
];

describe('Model of the ring, all interleavings', function () {
  this.timeout(120_000);

  for (const { name, bounds } of scenarios) {
    it(`${name}: nothing torn, lost, doubled or out of order, and nobody sleeps for ever`, () => {
      let states = 0;
      for (const pair of pairs) {
        const outcome = run({ ...bounds, ...pair });
        const { violation } = outcome;
        expect(violation, JSON.stringify({ ...pair, violation }, null, 1)).to.equal(undefined);
        expect(outcome.finals).to.be.at.least(1);
        states += outcome.states;
      }
      console.log(`      ${states.toLocaleString('en')} states`);
    });
  }

  for (const mutation of mutations) {
    it(`finds what goes wrong with: ${mutation}`, () => {
      const isFound = scenarios.some(({ bounds }) =>
        pairs.some(pair => run({ ...bounds, ...pair, mutation }).violation),
      );
      expect(isFound).to.equal(true);
    });
  }

  // A peer that ended between the two looks is seen to have ended by the last look at the ring.
  it(`shows what is harmless: ${redundant}`, () => {
    for (const { bounds } of scenarios) {
      for (const pair of pairs) {
        expect(run({ ...bounds, ...pair, mutation: redundant }).violation).to.equal(undefined);
      }
    }
  });
});
