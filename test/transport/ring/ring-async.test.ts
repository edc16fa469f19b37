import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type Consumer, type Producer, Ring } from '../../../src/index.js';
import { rejected } from '../../support/errors.js';
import type { WaitStrategy } from '../../../src/index.js';
import { Bell, Field, Waiting } from '../../../src/transport/ring/layout.js';

/** What a promise rejects with; fails if it resolves. */
const text = (record: Uint8Array | null) => record && Buffer.from(record).toString();
const turn = () => new Promise(resolve => setImmediate(resolve));

for (const wait of ['park', { spin: 50 }, 'busy'] as WaitStrategy[]) {
  describe(`Ring on the event loop of one thread, ${JSON.stringify(wait)}`, () => {
    let ring: Ring;
    let producer: Producer;
    let consumer: Consumer;
    beforeEach(() => {
      ring = Ring.create({ capacity: 4096 });
      producer = ring.producer({ wait });
      consumer = ring.consumer({ wait });
    });
    afterEach(() => ring.close());

    const fill = () => {
      while (producer.tryWrite(new Uint8Array(1000)));
    };

    it('reads what is there at once, and waits for what is not', async () => {
      producer.tryWrite(Buffer.from('first'));
      expect(text(await consumer.read())).to.equal('first');
      const second = consumer.read();
      await turn();
      producer.tryWrite(Buffer.from('second'));
      expect(text(await second)).to.equal('second');
    });

    it('serves reads in the order they were asked for', async () => {
      const reads = [consumer.read(), consumer.read(), consumer.read()];
      await turn();
      for (const word of ['a', 'b', 'c']) {
        producer.tryWrite(Buffer.from(word));
        await turn();
      }
      expect((await Promise.all(reads)).map(text)).to.deep.equal(['a', 'b', 'c']);
    });

    it('does writes in the order they were asked for, once there is room', async () => {
      fill();
      const writes = ['a', 'b', 'c'].map(word => producer.write(Buffer.alloc(900, word)));
      await turn();
      expect(consumer.drain(() => {})).to.equal(4);
      expect(await Promise.all(writes)).to.deep.equal([true, true, true]);
      for (const word of ['a', 'b', 'c']) {
        expect(text(await consumer.read())).to.equal(word.repeat(900));
      }
    });

    it('gives up a read or a write after its timeout, and loses nothing', async () => {
      expect(await consumer.read({ timeout: 0 })).to.equal(null);
      expect(await consumer.read({ timeout: 5 })).to.equal(null);
      expect(consumer.ended).to.equal(false);
      fill();
      expect(await producer.write(new Uint8Array(1000), { timeout: 5 })).to.equal(false);
      expect(consumer.drain(() => {})).to.equal(4);
      expect(await consumer.read({ timeout: 5 })).to.equal(null);
    });

    it('rejects with the reason of a signal, before and during the wait', async () => {
      const reason = new Error('enough');
      const aborted = AbortSignal.abort(reason);
      producer.tryWrite(Buffer.from('kept'));
      expect(await rejected(consumer.read({ signal: aborted }))).to.equal(reason);
      expect(await rejected(producer.write(Buffer.from('x'), { signal: aborted }))).to.equal(
        reason,
      );
      expect(text(await consumer.read())).to.equal('kept');
      const controller = new AbortController();
      const [given, kept] = [consumer.read({ signal: controller.signal }), consumer.read()];
      await turn();
      controller.abort(reason);
      expect(await rejected(given)).to.equal(reason);
      producer.tryWrite(Buffer.from('next'));
      expect(text(await kept)).to.equal('next');
    });

    it('lets a short write go on when the long one before it gives up', async () => {
      // 1,072 bytes are left before the end of the ring, but 1,008 before the head.
      for (let i = 0; i < 4; i++) producer.tryWrite(new Uint8Array(1000));
      expect(consumer.drain(() => {})).to.equal(4);
      for (let i = 0; i < 3; i++) producer.tryWrite(new Uint8Array(1000));
      const controller = new AbortController();
      const long = rejected(producer.write(new Uint8Array(1064), { signal: controller.signal }));
      const short = producer.write(new Uint8Array(40));
      await turn();
      controller.abort();
      await long;
      expect(await short).to.equal(true);
    });

    it('resolves every waiting read with null at the end, after the last record', async () => {
      const reads = [consumer.read(), consumer.read(), consumer.read()];
      await turn();
      producer.tryWrite(Buffer.from('last'));
      producer.end();
      expect((await Promise.all(reads)).map(text)).to.deep.equal(['last', null, null]);
      expect(consumer.ended).to.equal(true);
    });

    it('iterates until the end', async () => {
      const words = ['one', 'two', 'three'];
      const seen = (async () => {
        const found: (string | null)[] = [];
        for await (const record of consumer) found.push(text(record));
        return found;
      })();
      for (const word of words) {
        await turn();
        await producer.write(Buffer.from(word));
      }
      producer.end();
      expect(await seen).to.deep.equal(words);
    });

    it('rejects what waits when its own side is closed', async () => {
      const read = rejected(consumer.read());
      await turn();
      consumer.close();
      expect((await read).code).to.equal('ERR_CLOSED');
      expect((await rejected(consumer.read())).code).to.equal('ERR_CLOSED');
      ring.consumer();
      fill();
      const write = rejected(producer.write(new Uint8Array(1000)));
      await turn();
      producer.end();
      expect((await write).code).to.equal('ERR_CLOSED');
      expect((await rejected(producer.write(new Uint8Array(1)))).code).to.equal('ERR_CLOSED');
    });

    it('rejects a write that waits for a consumer that closes', async () => {
      fill();
      const write = rejected(producer.write(new Uint8Array(1000)));
      await turn();
      consumer.close();
      expect((await write).code).to.equal('ERR_PEER_CLOSED');
    });

    it('keeps the loop turning while a write waits for a slow consumer', async () => {
      fill();
      const write = producer.write(new Uint8Array(1000));
      let turns = 0;
      while (turns < 200) {
        await turn();
        turns++;
      }
      consumer.tryRead();
      expect(await write).to.equal(true);
    });
  });
}

describe('Ring in place', () => {
  let ring: Ring;
  beforeEach(() => (ring = Ring.create({ capacity: 4096 })));
  afterEach(() => ring.close());

  it('commits a reservation whole or shortened, and aborts one without a trace', () => {
    const producer = ring.producer();
    const consumer = ring.consumer();
    producer.reserve(100)!.fill(1);
    expect(consumer.tryRead()).to.equal(null);
    producer.commit();
    producer.reserve(100)!.fill(2);
    producer.commit(10);
    producer.reserve(100)!.fill(3);
    producer.abort();
    producer.tryWrite(Buffer.from('after'));
    expect(consumer.tryRead()).to.deep.equal(new Uint8Array(100).fill(1));
    expect(consumer.tryRead()).to.deep.equal(new Uint8Array(10).fill(2));
    expect(text(consumer.tryRead())).to.equal('after');
  });

  it('refuses to write beside a reservation, and to commit none or too much', () => {
    const producer = ring.producer();
    expect(() => producer.commit()).to.throw(/ERR_NOT_RESERVED/);
    producer.reserve(100);
    expect(() => producer.tryWrite(new Uint8Array(1))).to.throw(/ERR_RESERVED/);
    expect(() => producer.reserve(1)).to.throw(/ERR_RESERVED/);
    expect(() => producer.commit(101)).to.throw(/ERR_OUT_OF_RANGE/);
    producer.commit(0);
    expect(ring.consumer().tryRead()).to.have.length(0);
  });

  it('peeks at the same record until it is released', () => {
    const producer = ring.producer();
    const consumer = ring.consumer();
    for (const word of ['one', 'two']) producer.tryWrite(Buffer.from(word));
    expect(text(consumer.peek())).to.equal('one');
    expect(text(consumer.peek())).to.equal('one');
    const before = ring.stats().used;
    consumer.release();
    expect(ring.stats().used).to.be.below(before);
    expect(text(consumer.peek())).to.equal('two');
    consumer.release();
    consumer.release();
    expect(consumer.peek()).to.equal(null);
  });

  it('counts what goes through it', () => {
    const none = ring.stats();
    expect(none.producer).to.deep.include({ state: 'never', alive: false, pid: 0 });
    const producer = ring.producer();
    const consumer = ring.consumer();
    while (producer.tryWrite(new Uint8Array(1000)));
    consumer.tryRead();
    expect(ring.stats()).to.deep.include({
      // The write that found it full has filled the end with padding.
      ...{ capacity: 4096, used: 3 * 1008 + 64, recordsWritten: 4, recordsRead: 1, fullCount: 1 },
    });
    expect(ring.stats().consumer).to.deep.include({
      ...{ state: 'attached', alive: true, pid: process.pid },
    });
    producer.end();
    expect(ring.stats().producer).to.deep.include({ state: 'ended', alive: false });
  });
});

describe('A doorbell that the header names wrongly', () => {
  let ring: Ring;
  let directory: string;
  beforeEach(() => {
    ring = Ring.create({ capacity: 4096 });
    directory = mkdtempSync(join(tmpdir(), 'ring-bell-'));
    // It has the name of a bell, and is not a FIFO.
    writeFileSync(join(directory, `bell-${'00'.repeat(12)}`), '');
  });
  afterEach(() => {
    ring.close();
    rmSync(directory, { recursive: true });
  });

  const garbage: [string, () => { length: number; path: string }][] = [
    ['no directory at all', () => ({ length: 0, path: '' })],
    ['a directory that is not there', () => ({ length: 12, path: '/nonexistent' })],
    [
      'a directory that is a file',
      () => ({ length: directory.length + 29, path: `${directory}/bell-${'00'.repeat(12)}` }),
    ],
    ['a bell that is a plain file', () => ({ length: directory.length, path: directory })],
    ['a path with a zero byte', () => ({ length: 4, path: '/a\0b' })],
    ['bytes that are no UTF-8', () => ({ length: 8, path: '\u00ff\u00fe' })],
    ['a negative length', () => ({ length: -1, path: '' })],
    ['a length beyond the header', () => ({ length: 2 ** 30, path: '/' })],
  ];
  for (const [what, make] of garbage) {
    it(`does not harm the ringer: ${what}`, () => {
      const words = new Int32Array(ring.buffer);
      const bytes = new Uint8Array(ring.buffer);
      const producer = ring.producer();
      const consumer = ring.consumer();
      const { length, path } = make();
      words[Bell.consumer + Bell.directoryLength] = length;
      bytes.set(Buffer.from(path, 'latin1'), (Bell.consumer + Bell.directory) * 4);
      for (let i = 0; i < 3; i++) {
        words[Field.consumerWaiting] = Waiting.parked;
        // Any id but the zeros that name the plain file, once the first has been tried.
        if (i > 0) words[Bell.consumer + Bell.id] = i;
        words[Bell.consumer + Bell.token] = -i;
        expect(producer.tryWrite(Buffer.from('sent'))).to.equal(true);
      }
      expect(consumer.drain(() => {})).to.equal(3);
    });
  }

  it('only delays the side that waits behind it: the sweep finds the record', async () => {
    const producer = ring.producer();
    const consumer = ring.consumer();
    const read = consumer.read();
    const words = new Int32Array(ring.buffer);
    words[Bell.consumer + Bell.token] = 12345;
    producer.tryWrite(Buffer.from('found'));
    expect(text(await read)).to.equal('found');
  });
});
