import { expect } from 'chai';
import { explore } from './checker.js';
import { type TopicBounds, TopicModel, topicMutations } from './topic-model.js';

const scenarios: { readonly name: string; readonly bounds: TopicBounds }[] = [
  { name: 'one reader, lapped', bounds: { capacity: 2, messages: 6, readers: 1 } },
  { name: 'one reader, a wider topic', bounds: { capacity: 3, messages: 5, readers: 1 } },
  {
    name: 'one reader, and a publisher that lingers',
    bounds: { capacity: 2, messages: 3, readers: 1, lingers: true },
  },
  {
    name: 'one that is waited for',
    bounds: { capacity: 2, messages: 5, readers: 1, waits: true },
  },
  {
    name: 'the publisher is killed at any step',
    bounds: { capacity: 2, messages: 4, readers: 1, deaths: ['publisher'] },
  },
  {
    name: 'a reader that is waited for is killed at any step',
    bounds: { capacity: 2, messages: 3, readers: 1, waits: true, deaths: ['reader'] },
  },
  {
    name: 'two readers, who sleep, and a publisher that lingers',
    bounds: { capacity: 1, messages: 1, readers: 2, lingers: true },
  },
];

/** Those of one reader: what is wrong shows there. */
const small = scenarios.filter(({ bounds }) => bounds.readers === 1);

describe('Model of the topic, all interleavings', function () {
  this.timeout(120_000);

  for (const { name, bounds } of scenarios) {
    it(`${name}: nothing torn, lost without a lap or out of order, and nobody sleeps for ever`, () => {
      const { violation, finals, states } = explore(new TopicModel(bounds));
      expect(violation, JSON.stringify(violation, null, 1)).to.equal(undefined);
      expect(finals).to.be.at.least(1);
      console.log(`      ${states.toLocaleString('en')} states`);
    });
  }

  for (const mutation of topicMutations) {
    it(`finds what goes wrong with: ${mutation}`, () => {
      const isFound = small.some(
        ({ bounds }) => explore(new TopicModel({ ...bounds, mutation })).violation,
      );
      expect(isFound).to.equal(true);
    });
  }
});
