import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { Ring, ShmError } from '../../../src/index.js';
import { Field, ringHeaderBytes, layoutVersion } from '../../../src/transport/ring/layout.js';
import { thrown } from '../../support/errors.js';
import { HeapMemory } from '../../support/heap-memory.js';
import { message, sibling, start } from '../../support/processes.js';
import { random, Traffic } from '../../support/traffic.js';
import type { Orders, Report } from './ring-peer.js';

const peer = sibling(import.meta.url, './ring-peer.js');

function heapRing(capacity: number, position = 0): Ring {
  const memory = new HeapMemory(new SharedArrayBuffer(ringHeaderBytes + capacity));
  memory.words[Field.tail] = position;
  memory.words[Field.head] = position;
  return Ring.format(memory, capacity);
}

const backings: [string, (capacity: number) => Ring][] = [
  ['heap', capacity => heapRing(capacity)],
  ['heap, at position 2^31', capacity => heapRing(capacity, (2 ** 31 - 4096) | 0)],
  ['heap, at position 2^32', capacity => heapRing(capacity, -4096)],
  ['region', capacity => Ring.create({ capacity })],
];

for (const [name, create] of backings) {
  describe(`Ring (${name})`, () => {
    let ring: Ring;
    beforeEach(() => (ring = create(4096)));
    afterEach(() => ring.close());

    it('carries records of every length, in order', () => {
      const producer = ring.producer();
      const consumer = ring.consumer();
      for (let length = 0; length <= ring.maxLength; length++) {
        const record = Buffer.alloc(length, length);
        expect(producer.tryWrite(record)).to.equal(true);
        expect(Buffer.from(consumer.tryRead()!).equals(record)).to.equal(true);
      }
      expect(consumer.tryRead()).to.equal(null);
    });

    it('wraps hundreds of times with every byte intact', () => {
      const producer = ring.producer();
      const consumer = ring.consumer();
      const sent = new Traffic(7, ring.maxLength);
      const seen = new Traffic(7, ring.maxLength);
      const next = random(8);
      let pending = sent.next();
      while (seen.bytes < 500 * ring.capacity) {
        for (let i = next(8); i > 0 && producer.tryWrite(pending); i--) pending = sent.next();
        consumer.drain((bytes, offset, length) => seen.verify(bytes, offset, length), next(8));
      }
    });

    it('says false when full, writes nothing, and takes the record once there is room', () => {
      const producer = ring.producer();
      const consumer = ring.consumer();
      const record = Buffer.alloc(1000, 'x');
      let written = 0;
      while (producer.tryWrite(record)) written++;
      expect(written).to.equal(4);
      expect(producer.tryWrite(record)).to.equal(false);
      expect(producer.writeSync(record, 20)).to.equal(false);
      expect(consumer.tryRead()).to.have.length(1000);
      expect(producer.tryWrite(record)).to.equal(true);
      expect(consumer.drain(() => {})).to.equal(4);
    });

    it('publishes corked records together', () => {
      const producer = ring.producer();
      const consumer = ring.consumer();
      producer.cork();
      for (let i = 0; i < 3; i++) producer.tryWrite(Buffer.from([i]));
      expect(consumer.tryRead()).to.equal(null);
      producer.uncork();
      const seen: number[] = [];
      consumer.drain((bytes, offset) => seen.push(bytes[offset]!));
      expect(seen).to.deep.equal([0, 1, 2]);
    });

    it('publishes what is corked when the ring fills up, so that the consumer can make room', () => {
      const producer = ring.producer();
      const consumer = ring.consumer();
      producer.cork();
      while (producer.tryWrite(Buffer.alloc(1000)));
      expect(consumer.drain(() => {})).to.equal(4);
      expect(producer.tryWrite(Buffer.alloc(1000))).to.equal(true);
    });

    it('counts the record of a throwing handler as read, and keeps the later ones', () => {
      const producer = ring.producer();
      const consumer = ring.consumer();
      for (let i = 0; i < 3; i++) producer.tryWrite(Buffer.from([i]));
      const failure = new Error('handler');
      expect(() =>
        consumer.drain(() => {
          throw failure;
        }),
      ).to.throw(failure);
      expect(consumer.tryRead()![0]).to.equal(1);
    });

    it('lends records in place, and takes them back in any order', () => {
      const producer = ring.producer();
      const consumer = ring.consumer();
      for (let i = 0; i < 4; i++) producer.tryWrite(Buffer.alloc(1000, i));
      const loans = [consumer.borrow()!, consumer.borrow()!, consumer.borrow()!];
      expect(consumer.tryRead()![0]).to.equal(3);
      expect(consumer.borrow()).to.equal(null);
      loans[1]!.release();
      loans[2]!.release();
      expect(producer.tryWrite(Buffer.alloc(1000))).to.equal(false);
      expect(loans[0]!.bytes).to.deep.equal(new Uint8Array(1000));
      const shared = new Uint8Array(ring.buffer, loans[0]!.offset, loans[0]!.length);
      expect(shared[999]).to.equal(0);
      loans[0]!.release();
      loans[0]!.release();
      expect(producer.tryWrite(Buffer.alloc(1000))).to.equal(true);
      expect(consumer.borrow()).to.have.property('length', 1000);
    });

    it('gives each role once, until it is given back', () => {
      const producer = ring.producer();
      const consumer = ring.consumer();
      expect(thrown(() => ring.producer()).code).to.equal('ERR_ROLE_TAKEN');
      expect(thrown(() => ring.consumer()).code).to.equal('ERR_ROLE_TAKEN');
      producer.end();
      consumer.close();
      ring.producer().end();
      ring.consumer().close();
    });

    it('shows the end after the last record', () => {
      const producer = ring.producer();
      const consumer = ring.consumer();
      producer.tryWrite(Buffer.from('last'));
      producer.end();
      producer.end();
      expect(consumer.ended).to.equal(false);
      expect(Buffer.from(consumer.readSync()!).toString()).to.equal('last');
      expect(consumer.readSync()).to.equal(null);
      expect(consumer.ended).to.equal(true);
    });

    it('refuses a record that is too long, with both numbers, and writes nothing', () => {
      const producer = ring.producer();
      const error = thrown(() => producer.tryWrite(Buffer.alloc(ring.maxLength + 1)));
      expect(error.code).to.equal('ERR_TOO_LARGE');
      expect(error.message).to.contain('2040').and.to.contain('2041');
      expect(ring.consumer().tryRead()).to.equal(null);
    });

    it('refuses bad arguments and use after the end', () => {
      const producer = ring.producer();
      const consumer = ring.consumer();
      for (const nonsense of ['text', null, 5, [1, 2], new Int32Array(2), new ArrayBuffer(4)]) {
        expect(thrown(() => producer.tryWrite(nonsense as never)).code).to.equal('ERR_INVALID_ARG');
      }
      expect(thrown(() => consumer.drain('f' as never)).code).to.equal('ERR_INVALID_ARG');
      expect(thrown(() => consumer.readSync(-1)).code).to.equal('ERR_OUT_OF_RANGE');
      expect(thrown(() => consumer.readSync(Number.NaN)).code).to.equal('ERR_OUT_OF_RANGE');
      producer.end();
      consumer.close();
      expect(thrown(() => producer.tryWrite(Buffer.alloc(1))).code).to.equal('ERR_CLOSED');
      expect(thrown(() => producer.cork()).code).to.equal('ERR_CLOSED');
      expect(thrown(() => consumer.tryRead()).code).to.equal('ERR_CLOSED');
      expect(thrown(() => consumer.drain(() => {})).code).to.equal('ERR_CLOSED');
    });

    it('throws instead of waiting for ever when the ring is full and its consumer closed', () => {
      const producer = ring.producer();
      ring.consumer().close();
      while (producer.tryWrite(Buffer.alloc(1000)));
      expect(thrown(() => producer.writeSync(Buffer.alloc(1000))).code).to.equal('ERR_PEER_CLOSED');
    });
  });
}

describe('Ring.create and Ring.open', () => {
  it('refuses capacities that are no power of two or out of bounds', () => {
    for (const capacity of [0, 1, 2048, 5000, 2 ** 31, -4096, 4096.5, Number.NaN, '4096']) {
      const error = thrown(() => Ring.create({ capacity: capacity as number }));
      expect(error.code, String(capacity)).to.equal('ERR_OUT_OF_RANGE');
    }
  });

  it('refuses what is not a handle', () => {
    for (const handle of [undefined, null, 5, {}, { path: 7 }]) {
      expect(thrown(() => Ring.open(handle as never)).code).to.equal('ERR_INVALID_ARG');
    }
    expect(thrown(() => Ring.open({ path: '/no/such', capacity: 4096 })).code).to.equal('ENOENT');
  });

  it('refuses a ring of another layout version, and memory that is no ring', () => {
    const memory = new HeapMemory(new SharedArrayBuffer(ringHeaderBytes + 4096));
    Ring.format(memory, 4096);
    memory.words[Field.version] = layoutVersion + 1;
    expect(thrown(() => Ring.attach(memory)).code).to.equal('ERR_VERSION');
    memory.words[Field.magic] = 0;
    expect(thrown(() => Ring.attach(memory)).code).to.equal('ERR_CORRUPT');
    const small = new HeapMemory(new SharedArrayBuffer(100));
    expect(thrown(() => Ring.attach(small)).code).to.equal('ERR_CORRUPT');
  });

  it('says that it was closed, whatever it is asked for then', () => {
    const ring = Ring.create({ capacity: 4096 });
    ring.close();
    ring.close();
    expect(() => ring.producer())
      .to.throw(ShmError, 'ERR_CLOSED')
      .with.property('operation', 'ring.producer');
    expect(() => ring.consumer()).to.throw(ShmError, 'ERR_CLOSED');
    expect(() => ring.stats()).to.throw(ShmError, 'ERR_CLOSED');
  });

  it('is gone with its last user', () => {
    const ring = Ring.create({ capacity: 4096 });
    const second = Ring.open(ring.handle);
    ring.close();
    Ring.open(second.handle).close();
    second.close();
    expect(thrown(() => Ring.open(ring.handle)).code).to.equal('ENOENT');
  });
});

describe('Ring between processes and threads', function () {
  this.timeout(120_000);
  const longest = 3000;

  function launch(orders: Orders, kind: string) {
    if (kind === 'thread') return new Worker(peer, { workerData: orders });
    const child = start(peer);
    child.send(orders);
    return child;
  }

  for (const kind of ['process', 'thread']) {
    for (const [how, extra] of [
      ['drained in place', {}],
      ['corked', { cork: 16 }],
      ['copied out', { copy: true }],
    ] as const) {
      it(`two of kind ${kind}, ${how}: every byte arrives once, in order`, async () => {
        using ring = Ring.create({ capacity: 16384 });
        const orders = { ring: ring.handle, seed: 42, longest, bytes: 50e6, ...extra };
        const consumer = launch({ ...orders, role: 'consumer' }, kind);
        const producer = launch({ ...orders, role: 'producer' }, kind);
        const [sent, received] = await Promise.all([
          message<Report>(producer),
          message<Report>(consumer),
        ]);
        expect(received).to.deep.equal(sent);
        expect(received.bytes).to.be.at.least(orders.bytes);
      });
    }
  }

  it('goes past 2^32 bytes with every byte checked', async () => {
    using ring = Ring.create({ capacity: 2 ** 20 });
    const bytes = 2 ** 32 + 2 ** 24;
    const consumer = start(peer);
    consumer.send({ ring: ring.handle, role: 'consumer', seed: 1, longest: 2 ** 18, bytes });
    const report = message<Report>(consumer);
    const traffic = new Traffic(1, 2 ** 18);
    const producer = ring.producer();
    while (traffic.bytes < bytes) producer.writeSync(traffic.next());
    producer.end();
    expect(await report).to.deep.equal({ count: traffic.count, bytes: traffic.bytes, ended: true });
  });

  for (const role of ['producer', 'consumer'] as const) {
    it(`tells the other side that a ${role} was killed, after what it had committed`, async () => {
      using ring = Ring.create({ capacity: 2 ** 16 });
      const child = start(peer);
      child.send({ ring: ring.handle, role, seed: 3, longest: 100, bytes: 1e9, hangAfter: 50 });
      expect(await message(child)).to.equal('hanging');
      const pid = child.pid;
      child.kill('SIGKILL');
      let error: ShmError;
      if (role === 'producer') {
        const consumer = ring.consumer();
        const traffic = new Traffic(3, 100);
        error = thrown(() => {
          for (let record = consumer.readSync(); record; record = consumer.readSync())
            traffic.verify(record);
        });
        expect(traffic.count).to.equal(50);
      } else {
        const producer = ring.producer();
        error = thrown(() => {
          for (;;) producer.writeSync(Buffer.alloc(1000));
        });
      }
      expect(error.code).to.equal('ERR_PEER_DIED');
      expect(error.message).to.contain(`process ${pid}`);
    });
  }

  it('refuses a role that another process holds, and gives it once that process was killed', async () => {
    using ring = Ring.create({ capacity: 4096 });
    const child = start(peer);
    child.send({ ring: ring.handle, role: 'consumer', seed: 1, longest, bytes: 1, hangAfter: 1 });
    await message(child);
    const error = thrown(() => ring.consumer());
    expect(error.code).to.equal('ERR_ROLE_TAKEN');
    expect(error.message).to.contain(`process ${child.pid}`);
    const exited = new Promise(resolve => child.once('exit', resolve));
    child.kill('SIGKILL');
    await exited;
    ring.consumer().close();
  });
});
