import { expect } from 'chai';
import { torture } from './torture.js';

describe('Topic under torture', () => {
  it('never delivers a record that was overwritten while it was copied', async () => {
    const results = await torture(4096, 3000, true);
    console.log(`      ${JSON.stringify(results[0])}`);
    expect(results[0]).to.include({ torn: 0 });
    expect(results[0]!.errors).to.deep.equal([]);
    expect(results[0]!.discarded).to.be.at.least(3000);
  });

  it('would, without the look after the copy', async () => {
    const [result] = await torture(4096, Infinity, false);
    expect(result!.torn + result!.errors.length).to.be.above(0);
  });
});
