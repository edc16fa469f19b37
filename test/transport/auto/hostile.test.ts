import { expect } from 'chai';
import { Incoming } from '../../../src/transport/auto/incoming.js';
import type { SharedRings } from '../../../src/transport/auto/shared-rings.js';
import type { TrafficEnd } from '../../../src/transport/auto/traffic-end.js';
import { autoEntry } from '../../support/auto-entry.js';
import { outcome, sibling, startNode } from '../../support/processes.js';

describe('mmap-transport/auto, with a child that breaks its word,', function () {
  this.timeout(60_000);
  const script = sibling(import.meta.url, './hostile-parent.js');

  for (const what of ['kind', 'tail', 'head', 'state']) {
    it(`disconnects it, and nothing is thrown: ${what}`, async () => {
      const env = { ...process.env, MMAP_TRANSPORT_AUTO: '1' };
      const { stdout } = await outcome(startNode(['--import', autoEntry(), script, what], { env }));
      expect(JSON.parse(stdout)).to.deep.equal({ how: 'disconnected', uncaught: 0, thrown: 0 });
    });
  }

  it('takes no more than a ring holds from one that has closed its socket', () => {
    const capacity = 4096;
    let taken = 0;
    const endless = {
      closed: false,
      isBroken: false,
      capacity,
      get taken() {
        return taken;
      },
      read() {
        taken += 100;
        if (taken > 100 * capacity) throw new Error('it never ends');
        return 'more';
      },
    } as unknown as SharedRings;
    const incoming = new Incoming({} as TrafficEnd, endless, () => {});
    incoming.collectRest();
    expect(taken).to.be.within(capacity, 2 * capacity);
  });
});
