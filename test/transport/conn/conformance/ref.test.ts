import { expect } from 'chai';
import { outcome, sibling, start } from '../../../support/processes.js';

const script = sibling(import.meta.url, '../ref-peer.js');

/** What becomes of a process with one connection to itself and nothing else to do. */
const run = (...args: string[]) => outcome(start(script, args, { silent: true }));

describe('A process with a connection that is open', function () {
  this.timeout(60_000);

  for (const kind of ['memory', 'socket', 'net']) {
    it(`ends where the connection is unreferenced: ${kind}`, async () => {
      expect(await run(kind, 'unref')).to.deep.include({ code: 0, stderr: '', stdout: 'end' });
    });

    it(`stays where it is referenced, until it closes: ${kind}`, async () => {
      const { code, stdout, stderr } = await run(kind, 'ref');
      expect([code, stderr]).to.deep.equal([0, '']);
      expect(stdout).to.equal('timer closed closed end');
    });

    it(`ends where it was paused before it read anything: ${kind}`, async () => {
      expect(await run(kind, 'paused')).to.deep.include({ code: 0, stderr: '', stdout: 'end' });
    });

    it(`unref and ref may follow each other, also within a read: ${kind}`, async () => {
      const { code, stdout, stderr } = await run(kind, 'again');
      expect([code, stderr]).to.deep.equal([0, '']);
      // The other end is unreferenced: the process need not wait for it.
      expect(stdout).to.match(/^timer closed( closed)? end$/);
    });
  }
});
