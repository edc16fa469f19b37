import { expect } from 'chai';
import { outcome, sibling, startAlone } from '../../support/processes.js';

const script = sibling(import.meta.url, '../../soak/bus-soak.js');

describe('The soak of the bus, for some seconds', function () {
  this.timeout(60_000);

  it('loses nothing between those that live while others are killed, and leaves nothing', async () => {
    const args = ['--seconds', '4', '--peers', '5', '--longest', '262144'];
    const { code, stdout, stderr } = await outcome(startAlone(script, args));
    expect(stderr).to.equal('');
    expect(stdout).to.match(/[1-9]\d* killed and replaced/);
    expect(stdout).to.match(/[1-9]\d* messages between those that lived/);
    expect(stdout).to.match(/nothing lost, nothing left/);
    expect(code).to.equal(0);
  });
});
