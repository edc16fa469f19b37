import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { openMem } from '../../src/index.js';
import { message, sibling } from '../support/processes.js';
import { collect } from './support.js';

const peer = sibling(import.meta.url, './atomics-peer.js');

/** Notifies until one that waits was woken: it says that it will wait a moment before it does. */
async function notify(words: Int32Array): Promise<number> {
  for (;;) {
    const woken = Atomics.notify(words, 3);
    if (woken > 0) return woken;
    await delay(1);
  }
}

describe('Atomics on the memory of one mapping, in several threads', () => {
  for (const way of ['wait', 'waitAsync'] as const) {
    it(`${way} in a thread that took the memory up is met by notify here`, async () => {
      using mem = openMem({ bytes: 4096 });
      const worker = new Worker(peer, { workerData: { buffer: mem.buffer, way } });
      const exited = once(worker, 'exit');
      expect(await message(worker)).to.equal('waits');
      const answer = message(worker);
      expect(await notify(new Int32Array(mem.buffer))).to.equal(1);
      expect(await answer).to.equal('ok');
      await exited;
    });

    it(`${way}, notified through a second handle of the thread that made it`, async () => {
      using mem = openMem({ bytes: 4096 });
      const worker = new Worker(peer, { workerData: { buffer: mem.buffer, way } });
      const exited = once(worker, 'exit');
      expect(await message(worker)).to.equal('waits');
      const answer = message(worker);
      using again = openMem(mem.buffer);
      expect(await notify(new Int32Array(again.buffer))).to.equal(1);
      expect(await answer).to.equal('ok');
      await exited;
    });
  }

  it('a buffer made after all others were collected works as well', async () => {
    using mem = openMem({ bytes: 4096 });
    let round = 0;
    const use = () => {
      using again = openMem(mem.buffer);
      const words = new Int32Array(again.buffer);
      return Atomics.add(words, 0, 1) === round++;
    };
    for (let i = 0; i < 3; i++) {
      expect(use()).to.equal(true);
      await collect();
    }
  });
});
