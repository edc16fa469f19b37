import { once } from 'node:events';
import { expect } from 'chai';
import { type Subscription, Topic } from '../../../src/index.js';
import { sweeps } from '../../../src/transport/ring/parking.js';
import { message, sibling, start } from '../../support/processes.js';
import { rejected, thrown } from '../../support/errors.js';

const peer = sibling(import.meta.url, './topic-peer.js');

/** Everything that is there now. */
function takeAll<T>(subscription: Subscription<T>): T[] {
  const values: T[] = [];
  for (let value; (value = subscription.readSync(0)) !== undefined;) values.push(value);
  return values;
}

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => from + index);

const opened: Topic<never>[] = [];

function open<T>(...args: Parameters<typeof Topic.open<T>>): Topic<T> {
  const topic = Topic.open<T>(...args);
  opened.push(topic as unknown as Topic<never>);
  return topic;
}

describe('Topic', () => {
  afterEach(() => {
    for (const topic of opened.splice(0)) topic.close();
  });

  it('gives every reader every value, in order, from where it began', () => {
    using topic = Topic.create<number>('numbers', { capacity: 65536 });
    const early = topic.subscribe();
    using reading = Topic.open<number>('numbers');
    for (const value of numbers(0, 100)) expect(topic.publish(value)).to.equal(true);
    const late = reading.subscribe();
    const oldest = reading.subscribe({ from: 'oldest' });
    topic.publishBatch(numbers(100, 200));
    expect(takeAll(early)).to.deep.equal(numbers(0, 200));
    expect(takeAll(late)).to.deep.equal(numbers(100, 200));
    expect(takeAll(oldest)).to.deep.equal(numbers(0, 200));
  });

  it('carries bytes, text, structured values and what a codec makes, each by itself', () => {
    const codec = {
      encode: (value: number) => Buffer.from([value]),
      decode: ([value]: Uint8Array) => value!,
    };
    using bytes = Topic.create<Uint8Array>(undefined, { codec: 'bytes' });
    using text = Topic.create<string>(undefined, { codec: 'string' });
    using structured = Topic.create();
    using own = Topic.create<number>(undefined, { codec });
    const readers = [bytes, text, structured, own].map(topic => topic.subscribe());
    bytes.publish(Buffer.alloc(3, 7));
    text.publish('a ½ 𝄞');
    for (const value of [{ a: 1, b: [2, 'c'] }, new Map([[1, 2]])]) structured.publish(value);
    own.publish(200);
    expect(takeAll(readers[0]!)).to.deep.equal([Buffer.alloc(3, 7)]);
    expect(takeAll(readers[1]!)).to.deep.equal(['a ½ 𝄞']);
    expect(takeAll(readers[2]!)).to.deep.equal([{ a: 1, b: [2, 'c'] }, new Map([[1, 2]])]);
    expect(takeAll(readers[3]!)).to.deep.equal([200]);
    // One that comes later knows no list of keys that was told before.
    const late = structured.subscribe();
    structured.publish({ a: 3, b: 4 });
    expect(takeAll(late)).to.deep.equal([{ a: 3, b: 4 }]);
  });

  it('tells a reader that was lapped how much it missed, and goes on near the writer', () => {
    using topic = Topic.create<Uint8Array>(undefined, { codec: 'bytes', capacity: 4096 });
    const reader = topic.subscribe();
    const gaps: number[] = [];
    let missedBytes = 0;
    reader.on('gap', ({ records, bytes }) => {
      gaps.push(records!);
      missedBytes += bytes;
    });
    for (let i = 0; i < 1000; i++) topic.publish(Buffer.from(String(i)));
    const got = takeAll(reader).map(Number);
    expect(gaps).to.have.length(1);
    expect(got).to.deep.equal(numbers(gaps[0]!, 1000));
    // Records of 32 bytes: a quarter of the capacity is 32 of them, a slice more is 8.
    expect(got.length).to.be.within(32, 40);
    expect(missedBytes).to.equal(32 * gaps[0]!);
    expect(topic.stats().readers[0]).to.include({ missed: gaps[0]!, behind: 0 });
  });

  it('has the same records after each length and padding', () => {
    using topic = Topic.create<Uint8Array>(undefined, { codec: 'bytes', capacity: 4096 });
    const reader = topic.subscribe();
    for (let i = 0; i < 3000; i++) {
      const value = Buffer.alloc((i * 37) % (topic.maxLength + 1), i);
      topic.publish(value);
      expect(Buffer.compare(reader.readSync(0)!, value)).to.equal(0);
    }
    expect(thrown(() => topic.publish(Buffer.alloc(topic.maxLength + 1))).code).to.equal(
      'ERR_TOO_LARGE',
    );
  });

  it('reserves in place, and publishes what was used', () => {
    using topic = Topic.create<Uint8Array>(undefined, { codec: 'bytes' });
    const reader = topic.subscribe();
    topic.reserve(100)!.set([1, 2, 3]);
    expect(thrown(() => topic.publish(Buffer.of(9))).code).to.equal('ERR_RESERVED');
    expect(thrown(() => topic.commit(101)).code).to.equal('ERR_OUT_OF_RANGE');
    expect(takeAll(reader)).to.deep.equal([]);
    topic.commit(3);
    topic.reserve(10);
    topic.abort();
    expect(thrown(() => topic.commit()).code).to.equal('ERR_NOT_RESERVED');
    expect(takeAll(reader)).to.deep.equal([Buffer.of(1, 2, 3)]);
  });

  it('goes on at a stored position, and says so where it is too old, or none', () => {
    using topic = Topic.create<string>(undefined, { codec: 'string', capacity: 4096 });
    const first = topic.subscribe();
    for (const value of 'abcdefgh') topic.publish(value);
    for (let i = 0; i < 3; i++) first.readSync(0);
    const { position } = first;
    expect(position).to.equal(96n);
    first.close();
    expect(takeAll(topic.subscribe({ from: position })).join('')).to.equal('defgh');
    const inside = thrown(() => topic.subscribe({ from: position + 1n }));
    expect(inside.code).to.equal('ERR_OUT_OF_RANGE');
    expect(thrown(() => topic.subscribe({ from: 10n ** 9n })).code).to.equal('ERR_OUT_OF_RANGE');
    for (let i = 0; i < 1000; i++) topic.publish(String(i));
    const late = topic.subscribe({ from: position });
    const gaps: unknown[] = [];
    late.on('gap', gap => gaps.push(gap));
    expect(Number(late.readSync(0))).to.be.above(800);
    expect(gaps).to.have.length(1);
    expect(topic.stats().readers).to.have.length(2);
  });

  it('looks at records in place, and says which was overwritten meanwhile', () => {
    using topic = Topic.create<Uint8Array>(undefined, { codec: 'bytes', capacity: 4096 });
    const reader = topic.subscribe();
    const seen: number[] = [];
    topic.publishBatch([Buffer.of(1), Buffer.of(2), Buffer.of(3)]);
    expect(reader.drain((bytes, offset) => seen.push(bytes[offset]!) && undefined)).to.equal(3);
    expect(seen).to.deep.equal([1, 2, 3]);
    topic.publish(Buffer.of(4));
    const overrun = thrown(() =>
      reader.drain(() => {
        for (let i = 0; i < 300; i++) topic.publish(Buffer.of(5));
      }),
    );
    expect(overrun.code).to.equal('ERR_OVERRUN');
    const gaps: number[] = [];
    reader.on('gap', ({ records }) => gaps.push(records!));
    const rest = reader.drain(() => {});
    expect(rest + gaps[0]!).to.equal(301);
  });

  it('waits by events and by for await, and ends with its reason', async () => {
    const topic = Topic.create<number>();
    const [events, loop] = [topic, topic].map(one => open<number>(one.handle).subscribe());
    const seen: number[] = [];
    events!.on('message', value => seen.push(value));
    const ended = once(events!, 'end');
    const closed = once(events!, 'close');
    const values = (async () => {
      const all: number[] = [];
      for await (const value of loop!) all.push(value);
      return all;
    })();
    for (const value of numbers(0, 5)) {
      topic.publish(value);
      await new Promise(resolve => setTimeout(resolve, 2));
    }
    topic.close();
    expect(await ended).to.deep.equal(['closed']);
    await closed;
    expect(seen).to.deep.equal(numbers(0, 5));
    expect(await values).to.deep.equal(numbers(0, 5));
    expect(loop!.ended).to.equal('closed');
    loop!.close();
    expect(thrown(() => loop!.readSync(0)).code).to.equal('ERR_CLOSED');
    expect(thrown(() => topic.publish(1)).code).to.equal('ERR_CLOSED');
  });

  it('rings a sleeping reader once per sleep', async () => {
    using topic = Topic.create<number>();
    const reader = topic.subscribe({ wait: { spin: 0 } });
    let count = 0;
    const all = new Promise<void>(resolve => {
      reader.on('message', () => ++count === 1000 && resolve());
    });
    await new Promise(resolve => setTimeout(resolve, 20));
    expect(topic.stats().readers[0]!.sleeping).to.equal(true);
    for (let i = 0; i < 1000; i++) topic.publish(i);
    expect(topic.stats().wakes).to.equal(1);
    await all;
  });

  it('wakes sleepers by their bells alone, not by looks from time to time', async () => {
    sweeps.enabled = false;
    try {
      using topic = Topic.create<number>(undefined, { capacity: 4096 });
      const reader = topic.subscribe({ wait: { spin: 0 }, whenBehind: 'wait' });
      for (let i = 0; i < 5; i++) {
        const next = reader[Symbol.asyncIterator]().next();
        await new Promise(resolve => setTimeout(resolve, 5));
        expect(topic.stats().readers[0]!.sleeping).to.equal(true);
        topic.publish(i);
        expect((await next).value).to.equal(i);
      }
      while (topic.publish(1));
      const ready = topic.ready();
      await new Promise(resolve => setTimeout(resolve, 5));
      takeAll(reader);
      await ready;
    } finally {
      sweeps.enabled = true;
    }
  });

  it('is held back by the slowest reader that asked for it, and by no other', async () => {
    using topic = Topic.create<number>(undefined, { capacity: 4096 });
    const slow = topic.subscribe({ whenBehind: 'wait' });
    const careless = topic.subscribe();
    let published = 0;
    while (topic.publish(published)) published++;
    expect(published).to.be.above(50);
    const ready = topic.ready();
    expect(takeAll(slow)).to.deep.equal(numbers(0, published));
    await ready;
    expect(topic.publish(published)).to.equal(true);
    expect(slow.readSync(0)).to.equal(published);
    slow.close();
    for (let i = 0; i < 500; i++) expect(topic.publish(i)).to.equal(true);
    careless.close();
  });

  it('waits no longer for a reader that was killed, or stands still for too long', async () => {
    using topic = Topic.create<number>(undefined, { capacity: 4096, readerTimeout: 300 });
    for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
      const child = start(peer, ['hold', JSON.stringify(topic.handle)]);
      await message(child);
      while (topic.publish(1));
      child.kill(signal);
      await topic.ready();
      for (let i = 0; i < 500; i++) expect(topic.publish(i), signal).to.equal(true);
    }
  });

  it('ends where its publisher was killed, and goes on with a successor', async () => {
    const child = start(peer, ['publish', 'heirs']);
    await message(child);
    const reading = open<number>('heirs');
    const seen: number[] = [];
    const follower = reading.subscribe({ from: 'oldest', follow: true });
    const other = reading.subscribe({ from: 'oldest' });
    follower.on('message', value => seen.push(value));
    other.on('message', () => {});
    const ends = [once(follower, 'end'), once(other, 'end')];
    const closed = once(other, 'close');
    child.kill('SIGKILL');
    for (const end of ends) expect(await end).to.deep.equal(['died']);
    await closed;
    expect(reading.stats().publisher.state).to.equal('died');
    const successor = Topic.create<number>('heirs', { capacity: 4096 });
    for (const value of numbers(3, 6)) successor.publish(value);
    const again = once(follower, 'end');
    successor.close();
    expect(await again).to.deep.equal(['closed']);
    expect(seen).to.deep.equal(numbers(0, 6));
    expect(follower.closed).to.equal(false);
    reading.close();
  });

  it('has one publisher, one capacity and one codec', () => {
    using topic = Topic.create<number>('one');
    expect(thrown(() => Topic.create('one')).code).to.equal('ERR_ROLE_TAKEN');
    expect(thrown(() => Topic.create('one', { capacity: 4096 })).code).to.equal('ERR_INVALID_ARG');
    expect(thrown(() => Topic.open('one', { codec: 'bytes' })).code).to.equal('ERR_INVALID_ARG');
    expect(thrown(() => Topic.open('another')).code).to.equal('ENOENT');
    using reading = Topic.open<number>('one');
    expect(thrown(() => reading.publish(1)).code).to.equal('ERR_UNSUPPORTED');
    expect(topic.name).to.equal(reading.name);
  });

  it('takes a value whose accessor publishes, closes or throws', async () => {
    const topic = Topic.create();
    const reader = open(topic.handle).subscribe();
    topic.publish({
      a: 1,
      get b() {
        topic.publish('within');
        topic.reserve(1)!.set([7]); // the codec's way to write 7
        topic.abort();
        return 2;
      },
    });
    topic.publish({
      a: 'in place',
      get b() {
        topic.reserve(100)!.fill(0);
        topic.abort();
        return 3;
      },
    });
    const failing = {
      get a(): never {
        throw new RangeError('mine');
      },
    };
    expect(() => topic.publish(failing)).to.throw(RangeError, 'mine');
    topic.publish('after');
    expect(takeAll(reader)).to.deep.equal([
      ...['within', { a: 1, b: 2 }, { a: 'in place', b: 3 }, 'after'],
    ]);
    const closing = {
      get a() {
        topic.close();
        return 1;
      },
    };
    expect(thrown(() => topic.publish(closing)).code).to.equal('ERR_CLOSED');
    expect(takeAll(reader)).to.deep.equal([]);
    reader.close();
    expect((await rejected(topic.ready())).code).to.equal('ERR_CLOSED');
  });

  it('goes on after a listener that throws, closes or removes itself', async () => {
    using topic = Topic.create<number>();
    const reader = topic.subscribe();
    const seen: number[] = [];
    let isOver!: () => void;
    const over = new Promise<void>(resolve => (isOver = resolve));
    reader.on('message', function listener(value) {
      seen.push(value);
      if (value === 1) {
        reader.off('message', listener);
        setImmediate(() => reader.on('message', listener));
      }
      if (value === 3) {
        reader.close();
        isOver();
      }
    });
    topic.publishBatch(numbers(0, 10));
    await over;
    expect(seen).to.deep.equal([0, 1, 2, 3]);
  });

  it('merges topics, in order for each and in turn', async () => {
    const topics = ['a', 'b', 'c'].map(name => Topic.create<number>(name));
    const merged = Topic.merge(topics);
    for (const topic of topics.slice(0, 2)) topic.publishBatch(numbers(0, 4));
    topics[2]!.publish(9);
    const got: string[] = [];
    for (let i = 0; i < 9; i++) {
      const next = await merged.next();
      got.push(String((next.value as { value: number }).value));
    }
    expect(got.slice(0, 3)).to.have.members(['0', '0', '9']);
    expect(got.slice(3)).to.deep.equal(['1', '1', '2', '2', '3', '3']);
    const next = merged.next();
    topics[1]!.publish(7);
    expect((await next).value).to.deep.equal({ value: 7, from: 'b' });
    const last = merged.next();
    for (const topic of topics) topic.close();
    expect((await last).done).to.equal(true);
  });

  it('is found by threads and children by its handle, and reads what comes while they sleep', async () => {
    using topic = Topic.create<number>();
    const children = [1, 2, 3].map(() => start(peer, ['sum', JSON.stringify(topic.handle)]));
    await Promise.all(children.map(child => message(child)));
    const sums = children.map(child => message<number>(child));
    for (const value of numbers(1, 101)) topic.publish(value);
    topic.publish(-1);
    expect(await Promise.all(sums)).to.deep.equal([5050, 5050, 5050]);
  });
});
