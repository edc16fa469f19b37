import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { Ring, type ShmError, type WaitStrategy } from '../../../src/index.js';
import { Field, RoleState, Waiting } from '../../../src/transport/ring/layout.js';
import { needsDescriptors } from '../../native/support.js';
import { message, sibling, start } from '../../support/processes.js';
import { Traffic } from '../../support/traffic.js';
import type { AsyncOrders } from './ring-async-peer.js';

const peer = sibling(import.meta.url, './ring-async-peer.js');
const longest = 1500;

type Kind = 'process' | 'thread';

function launch(kind: Kind, orders: AsyncOrders): ChildProcess | Worker {
  if (kind === 'thread') return new Worker(peer, { workerData: orders });
  return start(peer, [JSON.stringify(orders)]);
}

/** Lets the loop turn until a word of the header has the value: a barrier in the ring itself. */
async function until(ring: Ring, field: number, value: number): Promise<void> {
  const words = new Int32Array(ring.buffer);
  while (Atomics.load(words, field) !== value) await new Promise(resolve => setTimeout(resolve, 1));
}

const bells = () =>
  readdirSync(process.env.MMAP_TRANSPORT_DIR!).filter(name => name.startsWith('bell-'));

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return (error as ShmError).code;
  }
  return 'none';
}

describe('Ring on the event loops of two', function () {
  this.timeout(60_000);

  for (const kind of ['process', 'thread'] as const) {
    for (const wait of ['park', { spin: 50 }, 'busy'] as WaitStrategy[]) {
      it(`this thread and a ${kind}, ${JSON.stringify(wait)}: all comes back, in order`, async () => {
        using there = Ring.create({ capacity: 4096 });
        using back = Ring.create({ capacity: 4096 });
        const echo = launch(kind, { task: 'echo', wait, input: there.handle, output: back.handle });
        const ended = once(echo, 'exit');
        const producer = there.producer({ wait });
        const consumer = back.consumer({ wait });
        const count = 300;
        const sent = (async () => {
          const traffic = new Traffic(4, longest);
          while (traffic.count < count) await producer.write(traffic.next());
          producer.end();
        })();
        const received = new Traffic(4, longest);
        for await (const record of consumer) received.verify(record);
        await sent;
        expect(received.count).to.equal(count);
        expect(await ended).to.deep.equal(kind === 'process' ? [0, null] : [0]);
      });
    }

    it(`two of kind ${kind}: one writes, the other reads`, async () => {
      using ring = Ring.create({ capacity: 4096 });
      const sink = launch(kind, { task: 'sink', input: ring.handle });
      const seen = message<number>(sink);
      await until(ring, Field.consumerState, RoleState.attached);
      const source = launch(kind, { task: 'source', output: ring.handle, count: 500 });
      const ended = Promise.all([once(sink, 'exit'), once(source, 'exit')]);
      expect(await seen).to.equal(500);
      await ended;
    });
  }

  it('rejects a waiting read when its producer is killed', async () => {
    using ring = Ring.create({ capacity: 4096 });
    const source = start(peer, [
      JSON.stringify({ task: 'park', output: ring.handle, input: ring.handle }),
    ]);
    await until(ring, Field.consumerWaiting, Waiting.parked);
    source.kill('SIGKILL');
    await once(source, 'exit');
    const consumer = ring.consumer();
    expect(await codeOf(consumer.read())).to.equal('ERR_PEER_DIED');
  });

  it('rejects a waiting write when its consumer is killed while it waits', async () => {
    using ring = Ring.create({ capacity: 4096 });
    const child = start(peer, [JSON.stringify({ task: 'attach', input: ring.handle })]);
    await message(child);
    const producer = ring.producer();
    while (producer.tryWrite(new Uint8Array(1000)));
    const write = codeOf(producer.write(new Uint8Array(1000)));
    await until(ring, Field.producerWaiting, Waiting.parked);
    child.kill('SIGKILL');
    expect(await write).to.equal('ERR_PEER_DIED');
  });

  it('stays alive while a read waits, and exits once nothing does', async () => {
    using ring = Ring.create({ capacity: 4096 });
    const child = start(peer, [JSON.stringify({ task: 'park', input: ring.handle })]);
    const ended = once(child, 'exit');
    await until(ring, Field.consumerWaiting, Waiting.parked);
    const told = message<string>(child);
    ring.producer().tryWrite(Buffer.from('good morning'));
    expect(await told).to.equal('good morning');
    expect(await ended).to.deep.equal([0, null]);
    expect(bells()).to.deep.equal([]);
  });

  it('a thread that is terminated while parked leaves its role free, and no doorbell', async () => {
    using ring = Ring.create({ capacity: 4096 });
    const worker = new Worker(peer, { workerData: { task: 'park', input: ring.handle } });
    await until(ring, Field.consumerWaiting, Waiting.parked);
    expect(bells()).to.have.length(1);
    await worker.terminate();
    expect(bells()).to.deep.equal([]);
    const producer = ring.producer();
    // Its bell is still named in the header; nobody listens.
    expect(producer.tryWrite(Buffer.from('left'))).to.equal(true);
    const consumer = ring.consumer();
    expect(Buffer.from((await consumer.read())!).toString()).to.equal('left');
  });

  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    it(`a process ended by ${signal} while parked leaves its role free`, async () => {
      using ring = Ring.create({ capacity: 4096 });
      const child = start(peer, [JSON.stringify({ task: 'park', input: ring.handle })]);
      await until(ring, Field.consumerWaiting, Waiting.parked);
      child.kill(signal);
      await once(child, 'exit');
      const producer = ring.producer();
      expect(producer.tryWrite(Buffer.from('left'))).to.equal(true);
      ring.consumer().close();
    });
  }

  it('a process that exits on a thousand parked rings leaves nothing; idle they cost nothing', async function () {
    needsDescriptors(this, 1200);
    const child = start(peer, [JSON.stringify({ task: 'idle', count: 1000 })]);
    const ended = once(child, 'exit');
    const { cpu, bells: bellsThen } = await message<{ cpu: number; bells: number }>(child);
    expect(bellsThen).to.equal(1);
    // Microseconds within a second: less than 2 % of a core.
    expect(cpu).to.be.below(20_000);
    expect(await ended).to.deep.equal([0, null]);
    expect(readdirSync(process.env.MMAP_TRANSPORT_DIR!)).to.deep.equal([]);
  });
});
