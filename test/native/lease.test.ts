import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { openMem } from '../../src/index.js';
import { addon } from '../../src/native/addon.js';

/** Closes the descriptor that is written into the word, a little later. */
const closer = `
  const { closeSync } = require('node:fs');
  const { workerData } = require('node:worker_threads');
  const word = new Int32Array(workerData);
  Atomics.wait(word, 0, 0);
  Atomics.wait(word, 0, word[0], 20);
  closeSync(word[0]);
`;

describe('A new file whose lease somebody else has for a moment', () => {
  const { openSync } = fs;

  afterEach(() => {
    fs.openSync = openSync;
    syncBuiltinESMExports();
  });

  it('is waited for, and not left behind', async () => {
    const word = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker(closer, { eval: true, workerData: word.buffer });
    const ended = new Promise(resolve => worker.once('exit', resolve));
    // As a check for leftovers does: between the making of the file and its lease.
    fs.openSync = (...args: Parameters<typeof openSync>) => {
      const fd = openSync(...args);
      if (word[0] === 0 && Number(args[1]) & fs.constants.O_CREAT) {
        const other = openSync(args[0], 'r+');
        expect(addon.tryLease(other, 1)).to.equal(true);
        Atomics.store(word, 0, other);
        Atomics.notify(word, 0);
      }
      return fd;
    };
    syncBuiltinESMExports();
    using mem = openMem({ bytes: 4096 });
    expect(word[0]).to.be.above(0);
    expect(fs.readdirSync(process.env.MMAP_TRANSPORT_DIR!)).to.deep.equal([`mem-${mem.id}`]);
    await ended;
  });
});
