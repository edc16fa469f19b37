// Some thousands of what `npm run fuzz` does millions of; see docs/fuzzing.md.
import { expect } from 'chai';
import { held } from '../native/support.js';
import { collect } from '../support/garbage.js';
import { leftLinks } from '../support/platform.js';
import { fuzzEnvelopes } from './envelopes.js';
import { fuzzHandshakes } from './handshake.js';
import { fuzzRings } from './rings.js';
import { fuzzValues } from './values.js';

describe('A peer that lies in one place', function () {
  this.timeout(120_000);

  it('of its handshake: it ends with a link or a ShmError, and nothing is left', async () => {
    await fuzzHandshakes(0, 300);
    await collect();
    const before = held();
    const { cases, outcomes } = await fuzzHandshakes(300, 2300);
    expect(cases).to.equal(2000);
    expect(Object.keys(outcomes)).to.include.members([
      'ERR_PROTOCOL',
      'ECONNRESET',
      'memory',
      'socket',
    ]);
    expect(leftLinks()).to.deep.equal([]);
    await collect();
    expect(held().descriptors - before.descriptors).to.be.below(10);
    expect(held().mappings - before.mappings).to.be.below(100);
  });

  it('of the header or the records of a ring: within bounds, or corrupt', () => {
    const { outcomes } = fuzzRings(0, 20_000);
    for (const what of [
      'records, went on',
      'records, ERR_CORRUPT',
      'records, refused: ERR_CORRUPT',
    ])
      expect(outcomes[what]).to.be.above(100);
    for (const what of ['stream, went on', 'stream, ERR_CORRUPT', 'stream, refused: ERR_CORRUPT'])
      expect(outcomes[what]).to.be.above(100);
  });

  it('of an envelope of a bus: that link breaks at most, and the others are served', async () => {
    const before = held();
    const { outcomes } = await fuzzEnvelopes(0, 4000);
    expect(outcomes['a value, sent to a bus']).to.be.above(500);
    expect(outcomes['ERR_CORRUPT, sent to a bus']).to.be.above(20);
    await collect();
    expect(held().descriptors - before.descriptors).to.be.below(20);
  });

  it('of a value: what is read is the message alone, and no more than it holds', () => {
    const { outcomes } = fuzzValues(0, 6000);
    for (const what of ['plain, a value', 'v8, a value', 'plain, ERR_CORRUPT', 'v8, ERR_CORRUPT'])
      expect(outcomes[what]).to.be.above(100);
  });
});
