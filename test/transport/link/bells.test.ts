// Where a peer's doorbell is, is the peer's word.
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { expect } from 'chai';
import { Ring } from '../../../src/index.js';
import { Bell, Field, Waiting } from '../../../src/transport/ring/layout.js';
import { scratch, skip } from '../../native/support.js';

describe('A doorbell that a peer tells', function () {
  const path = scratch();

  it('is a file of our name in a directory of an absolute path, whatever bytes it tells', function () {
    if (process.platform === 'win32') skip(this, 'a bell is no file there');
    const id = Buffer.alloc(12, 7);
    const bell = `bell-${id.toString('hex')}`;
    for (const name of ['victim', bell]) execFileSync('mkfifo', ['-m', '600', path(name)]);
    const ears = ['victim', bell].map(name =>
      openSync(path(name), constants.O_RDWR | constants.O_NONBLOCK),
    );
    /** Bytes that came to the FIFO. */
    const heard = (ear: number): number => {
      try {
        return readSync(ear, Buffer.alloc(64));
      } catch {
        return 0;
      }
    };
    /** A parked consumer that says its bell is there; the producer rings it. */
    const rings = (directory: Uint8Array, length = directory.length): number[] => {
      const ring = Ring.create({ capacity: 4096 });
      const producer = ring.producer();
      const words = new Int32Array(ring.buffer);
      const bytes = Buffer.from(ring.buffer as unknown as ArrayBuffer);
      bytes.set(id, (Bell.consumer + Bell.id) * 4);
      words[Bell.consumer + Bell.directoryLength] = length;
      bytes.set(directory, (Bell.consumer + Bell.directory) * 4);
      words[Field.consumerWaiting] = Waiting.parked;
      expect(producer.tryWrite(Buffer.from('x'))).to.equal(true);
      ring.close();
      return ears.map(heard);
    };
    const home = path('.').replace(/\/$/, '');
    for (const told of [
      `${path('victim')}\0`,
      `${home}\0/x`,
      `\0${home}`,
      '.',
      '',
      'proc/self/cwd',
      `${path('victim')}/..`,
    ]) {
      const directory = Buffer.from(told);
      const heardBy = rings(directory);
      expect(heardBy[0], JSON.stringify(told)).to.equal(0);
      if (told.includes('\0') || !told.startsWith('/')) expect(heardBy[1]).to.equal(0);
    }
    for (const length of [-1, Bell.maxDirectoryBytes + 1, 2 ** 31 - 1]) {
      expect(rings(Buffer.from(home), length)).to.deep.equal([0, 0]);
    }
    const [other, named] = rings(Buffer.from(home));
    expect([other, named], 'the one it may ring').to.deep.equal([0, 4]);
    for (const ear of ears) closeSync(ear);
  });
});
