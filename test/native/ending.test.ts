import { expect } from 'chai';
import { atOnce } from '../support/platform.js';
import { outcome, sibling, startAlone } from '../support/processes.js';

const soak = sibling(import.meta.url, '../soak/terminate-soak.js');

/** A thread takes half a second and more under Wine. */
const count = atOnce(100);

describe('Environments that end', () => {
  // A part of the soak, whose result is in docs/soaks.md.
  it(`${count} threads terminated within native calls: the process lives, and nothing is left`, async function () {
    this.timeout(120_000);
    const { code, signal, stdout, stderr } = await outcome(
      startAlone(soak, ['--workers', `${count}`]),
    );
    expect(stderr).to.equal('');
    expect({ code, signal }).to.deep.equal({ code: 0, signal: null });
    expect(stdout).to.contain(`${count} threads terminated`);
  });
});
