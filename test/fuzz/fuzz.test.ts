// A few thousand of what `npm run fuzz` does a million of; see docs/fuzzing.md.
import { expect } from 'chai';
import { held } from '../native/support.js';
import { collect } from '../support/garbage.js';
import { leftLinks } from '../support/platform.js';
import { fuzzHandshakes } from './handshake.js';

describe('Handshakes with a peer that lies in one place', function () {
  this.timeout(120_000);

  it('end with a link or a ShmError, and leave nothing', async () => {
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
});
