import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { type Mapped, openFile, openMem } from '../../src/index.js';
import { amount } from '../support/amount.js';
import { message, sibling } from '../support/processes.js';
import type { Task } from './lifetime-peer.js';
import { collect, held, holdsOf, scratch } from './support.js';

const peer = sibling(import.meta.url, './lifetime-peer.js');
const size = 1 << 20;

describe('Lifetime of a mapping', () => {
  const path = scratch();
  let file: string;
  beforeEach(() => {
    file = path('file');
    writeFileSync(file, Buffer.alloc(size, 1));
  });

  it('close gives back descriptor and pages at once, and stale views read zeros', () => {
    for (const access of ['read', 'read-write', 'copy-on-write'] as const) {
      const mapped = openFile(file, { access, offset: 5 });
      const { bytes, buffer } = mapped;
      const shared = new Uint8Array(buffer);
      expect(bytes[9]).to.equal(1);
      expect(holdsOf(file)).to.deep.equal({ descriptors: 1, mappings: 1 });
      mapped.close();
      expect(holdsOf(file), access).to.deep.equal({ descriptors: 0, mappings: 0 });
      expect(bytes).to.have.length(size - 5);
      expect(bytes.every(byte => byte === 0)).to.equal(true);
      expect(shared.every(byte => byte === 0)).to.equal(true);
      if (access !== 'read') {
        bytes.fill(9);
        Atomics.store(new Uint8Array(buffer), 0, 8);
      }
    }
    using again = openFile(file);
    expect(
      again.bytes.every(byte => byte === 1),
      'the file is as it was',
    ).to.equal(true);
  });

  it('close of shared memory frees the memory at once', () => {
    const before = held().residentBytes;
    const mem = openMem({ bytes: 64 * size });
    const bytes = mem.bytes.fill(1);
    expect(held().residentBytes - before).to.be.above(60 * size);
    mem.close();
    expect(held().residentBytes - before).to.be.below(8 * size);
    expect(bytes[5]).to.equal(0);
  });

  it('`using` closes', () => {
    let kept: Mapped;
    {
      using mapped = openFile(file);
      kept = mapped;
    }
    expect(kept.closed).to.equal(true);
    expect(holdsOf(file).descriptors).to.equal(0);
  });

  it('a dropped handle is collected, with its descriptor and pages', async () => {
    for (let i = 0; i < 50; i++) {
      openFile(file).at(0);
      expect(openFile(file).buffer.byteLength).to.equal(size);
    }
    await collect();
    expect(holdsOf(file)).to.deep.equal({ descriptors: 0, mappings: 0 });
  });

  it('a view alone keeps the memory', async () => {
    const kept = {
      bytes: openFile(file).bytes as Uint8Array | undefined,
      buffer: openMem({ bytes: size }).buffer as SharedArrayBuffer | undefined,
    };
    new Uint8Array(kept.buffer!).fill(6);
    await collect();
    expect(kept.bytes![7]).to.equal(1);
    expect(new Uint8Array(kept.buffer!)[7]).to.equal(6);
    expect(readdirSync(process.env.MMAP_TRANSPORT_DIR!)).to.have.length(1);
    kept.bytes = kept.buffer = undefined;
    await collect();
    expect(readdirSync(process.env.MMAP_TRANSPORT_DIR!)).to.have.length(0);
    expect(holdsOf(file)).to.deep.equal({ descriptors: 0, mappings: 0 });
  });

  const lot = amount(25_000, 2500);
  it('many opens and closes leave descriptors, mappings and memory flat', async function () {
    this.timeout(120_000);
    const cycle = (i: number) => {
      const mapped = openFile(file, i % 2 ? {} : { access: 'read-write', offset: 3 });
      if (i % 4 < 2) mapped.readByte();
      if (i % 8 === 0) new Uint8Array(mapped.buffer);
      mapped.close();
    };
    // In lots without a turn of the event loop, in which no finalizer can run.
    const runLot = async () => {
      for (let i = 0; i < lot; i++) cycle(i);
      const { descriptors } = held();
      await collect();
      return descriptors;
    };
    await runLot();
    const before = held();
    let most = 0;
    for (let i = 0; i < 4; i++) most = Math.max(most, await runLot());
    const after = held();
    expect(most).to.be.at.most(before.descriptors + 1);
    expect(after.descriptors).to.equal(before.descriptors);
    expect(after.mappings - before.mappings).to.be.below(1000);
    expect(after.residentBytes - before.residentBytes).to.be.below(16 * size);
  });

  it('segments of shared memory, made and closed: no file, descriptor or mapping is left', async () => {
    const before = held();
    for (let i = 0; i < 2000; i++) {
      const mem = openMem();
      mem.writeByte(1);
      mem.close();
    }
    await collect();
    expect(held().descriptors).to.equal(before.descriptors);
    expect(held().mappings - before.mappings).to.be.below(100);
  });

  it('V8 is told of the memory, once, and told when it goes', async () => {
    const bytes = 64 * size;
    const mem = openMem({ bytes });
    await collect();
    const before = process.memoryUsage().external;
    const views: unknown[] = [mem.buffer];
    expect(process.memoryUsage().external - before).to.be.within(bytes, bytes + size);
    views.push(mem.bytes, mem.buffer);
    expect(process.memoryUsage().external - before).to.be.within(bytes, bytes + size);
    mem.close();
    views.length = 0;
    await collect();
    expect(process.memoryUsage().external - before).to.be.below(size);
  });

  describe('with threads', () => {
    const tasks: [string, Omit<Task, 'path'>][] = [
      ['ends by itself', { end: 'exit', hand: false }],
      ['calls process.exit()', { end: 'process.exit', hand: false }],
      ['throws', { end: 'throw', hand: false }],
      ['is terminated', { end: 'wait', hand: false }],
      ['hands its memory over and ends', { end: 'exit', hand: true }],
      ['hands its memory over and is terminated', { end: 'wait', hand: true }],
    ];
    for (const [name, task] of tasks) {
      it(`a thread that ${name} leaves nothing but what it handed over`, async () => {
        const worker = new Worker(peer, { workerData: { ...task, path: file }, stderr: true });
        worker.on('error', () => {}); // the one that throws
        // Not by `once`, which an error rejects; the exit may follow at once.
        const exited = new Promise(resolve => worker.once('exit', resolve));
        const buffers = await message<SharedArrayBuffer[]>(worker);
        if (task.end === 'wait') await worker.terminate();
        await exited;
        expect(readdirSync(process.env.MMAP_TRANSPORT_DIR!)).to.deep.equal([]);
        await collect();
        expect(holdsOf(file).descriptors).to.equal(0);
        for (const buffer of buffers) {
          expect([...new Uint8Array(buffer, 0, 2)]).to.deep.equal([42, 43]);
          using taken = openMem(buffer);
          expect(taken.at(1)).to.equal(43);
          taken.writeAt(Buffer.from([7]), 9);
        }
        buffers.length = 0;
        await collect();
        expect(holdsOf(file)).to.deep.equal({ descriptors: 0, mappings: 0 });
      });
    }

    it('memory that another thread took up stays when its owner closes it', async () => {
      const mem = openMem({ bytes: 4096 });
      mem.bytes[0] = 5;
      const worker = new Worker(
        `const { parentPort, workerData } = require('node:worker_threads');
         import(${JSON.stringify(new URL('../../src/index.js', import.meta.url).href)}).then(({ openMem }) => {
           const mem = openMem(workerData);
           parentPort.on('message', () => {
             parentPort.postMessage([mem.at(0), mem.owner, mem.id]);
             mem.close();
             parentPort.close();
           });
           parentPort.postMessage('taken');
         });`,
        { eval: true, workerData: mem.buffer },
      );
      await message(worker);
      const { bytes, id } = mem;
      mem.close();
      expect(bytes[0], 'not given back while the thread has it').to.equal(5);
      const exited = once(worker, 'exit');
      const answer = message(worker);
      worker.postMessage('look');
      expect(await answer).to.deep.equal([5, false, id]);
      await exited;
      expect(bytes[0], 'given back with its last user').to.equal(0);
    });

    it('closing in one thread while another reads never crashes', async () => {
      for (let round = 0; round < 20; round++) {
        const mapped = openFile(file, { access: 'read-write' });
        const worker = new Worker(
          `const { parentPort, workerData } = require('node:worker_threads');
           const bytes = new Uint8Array(workerData);
           parentPort.postMessage('reading');
           let sum = 0;
           for (let round = 0; round < 30; round++) {
             for (let i = 0; i < bytes.length; i += 64) sum += bytes[i]++;
           }`,
          { eval: true, workerData: mapped.buffer },
        );
        // Before its message: where this thread is late, both come in one turn.
        const exited = once(worker, 'exit');
        await message(worker);
        mapped.close();
        expect((await exited)[0]).to.equal(0);
        writeFileSync(file, Buffer.alloc(size, 1));
      }
    });
  });
});
