import { expect } from 'chai';
import { HeapTopic, readAll } from './heap-topic.js';

/**
 * Runs an action, and has a look at the memory before each of its writes there, and half-way through
 * each copy: what a process leaves that is killed at that point.
 */
function atEachWrite(topic: HeapTopic, action: () => void, look: (point: number) => void): number {
  let points = 0;
  let isLooking = false;
  const undo: (() => void)[] = [];
  const point = () => {
    if (isLooking) return;
    isLooking = true;
    look(points++);
    isLooking = false;
  };
  const replace = (owner: object, name: string, value: unknown) => {
    const before = Object.getOwnPropertyDescriptor(owner, name)!;
    Object.defineProperty(owner, name, { ...before, value });
    undo.push(() => Object.defineProperty(owner, name, before));
  };
  for (const name of ['store', 'exchange', 'compareExchange', 'or', 'and', 'add']) {
    const original = Reflect.get(Atomics, name) as (...args: unknown[]) => number;
    replace(Atomics, name, (...args: unknown[]) => {
      if ((args[0] as Int32Array).buffer === topic.buffer) point();
      return original(...args);
    });
  }
  const set = (target: object, index: PropertyKey, value: unknown) => {
    point();
    return Reflect.set(target, index, value);
  };
  const get = (target: object, name: PropertyKey) => {
    const value = Reflect.get(target, name) as unknown;
    return typeof value === 'function' ? (value.bind(target) as unknown) : value;
  };
  for (const name of ['Int32Array', 'Float64Array'] as const) {
    const construct = (target: typeof Int32Array | typeof Float64Array, args: unknown[]) => {
      const made = Reflect.construct(target, args) as Int32Array;
      return made.buffer === (topic.buffer as unknown) ? new Proxy(made, { set, get }) : made;
    };
    replace(globalThis, name, new Proxy(globalThis[name], { construct }));
  }
  const copy = Reflect.get(Uint8Array.prototype, 'set') as (...args: unknown[]) => void;
  const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;
  replace(typedArray, 'set', function (this: Uint8Array, source: Uint8Array, offset = 0) {
    const isOurs = this.buffer === (topic.buffer as unknown);
    const half = isOurs ? source.length >> 1 : 0;
    if (isOurs) point();
    copy.call(this, source.subarray(0, half), offset);
    if (isOurs) point();
    copy.call(this, source.subarray(half), offset + half);
  });
  try {
    action();
  } finally {
    for (const back of undo) back();
  }
  look(points);
  return points;
}

const valueOf = (index: number) => Buffer.alloc(40 + ((index * 97) % 700), index);
const show = (values: readonly Buffer[]) => values.map(value => `${value[0]}:${value.length}`);

describe('Topic, a process killed at each write', () => {
  it('of the publisher: readers get what was published, and a successor goes on', () => {
    const topic = HeapTopic.make(4096);
    topic.startAt(2 ** 30 - 8192);
    const before = topic.publisher();
    let published = 0;
    for (; published < 12; published++) before.publish(valueOf(published));
    before.close();
    // Over the end of the record area, and over an epoch's end.
    const act = () => {
      const writer = topic.publisher();
      for (let i = published; i < 32; i++) {
        if (i % 5 === 4) {
          writer.publishBatch([valueOf(i), valueOf(++i)]);
          published += 2;
        } else {
          writer.publish(valueOf(i));
          published++;
        }
      }
    };
    const points = atEachWrite(topic, act, point => {
      const remains = topic.remains();
      const { reader } = remains.subscribe('oldest');
      const there = readAll(reader);
      const first = there.length > 0 ? there[0]![0]! : published;
      const count = first + there.length;
      expect(count, `point ${point}`).to.be.within(published, published + 2);
      const all = Array.from({ length: there.length }, (_, i) => valueOf(first + i));
      expect(show(there), `point ${point}`).to.deep.equal(show(all));
      for (const [i, value] of there.entries()) expect(value.equals(all[i]!)).to.equal(true);
      const heir = remains.publisher();
      const late = remains.subscribe('now').reader;
      for (let i = 0; i < 3; i++) heir.publish(valueOf(100 + i));
      const news = show([100, 101, 102].map(valueOf));
      expect(show(readAll(reader)), `point ${point}`).to.deep.equal(news);
      expect(show(readAll(late)), `point ${point}`).to.deep.equal(news);
      expect(heir.records).to.equal(count + 3);
    });
    console.log(`      ${points} points`);
    expect(points).to.be.above(100);
  });

  it('of a reader that is waited for: the publisher goes on, and its place is free', () => {
    const topic = HeapTopic.make(4096);
    const writer = topic.publisher();
    const act = () => {
      const { slot, reader } = topic.subscribe('now', true);
      for (let i = 0; i < 12; i++) {
        writer.publish(valueOf(i));
        readAll(reader);
      }
      slot.park();
      slot.unpark();
      reader.release();
      slot.close();
    };
    const points = atEachWrite(topic, act, point => {
      const remains = topic.remains();
      const heir = remains.publisher();
      let count = 0;
      for (let i = 0; i < 200; i++) if (heir.publish(valueOf(i))) count++;
      // It was refused once at most, then the reader was found dead.
      expect(count, `point ${point}`).to.be.within(199, 200);
      for (const from of ['oldest', 'now'] as const) {
        const { slot } = remains.subscribe(from, true);
        expect(slot.closed).to.equal(false);
      }
    });
    console.log(`      ${points} points`);
    expect(points).to.be.above(100);
  });
});

describe('Topic, positions', () => {
  for (const start of [2 ** 31, 2 ** 32, 2 ** 33, 2 ** 40]) {
    it(`go past ${start / 2 ** 30} GiB, laps included`, () => {
      const topic = HeapTopic.make(4096);
      topic.startAt(start - 8192);
      const writer = topic.publisher();
      const follower = topic.subscribe('now').reader;
      const lazy = topic.subscribe('now').reader;
      for (let i = 0; i < 100; i++) {
        writer.publish(valueOf(i));
        expect(show(readAll(follower))).to.deep.equal(show([valueOf(i)]));
      }
      expect(follower.position).to.be.above(start);
      const rest = readAll(lazy);
      expect(lazy.takeGap()!.records).to.equal(100 - rest.length);
      expect(lazy.position).to.equal(follower.position);
      const stored = topic.subscribe(BigInt(follower.position)).reader;
      expect(stored.position).to.equal(follower.position);
    });
  }

  it('tell a reader that stood still for exactly 2^32 bytes, and twice that, that it was lapped', () => {
    for (const stall of [2 ** 31, 2 ** 32, 2 ** 33]) {
      const topic = HeapTopic.make(4096);
      const { reader } = topic.subscribe('now');
      topic.publisher().publish(valueOf(1));
      expect(readAll(reader)).to.have.length(1);
      const at = reader.position;
      // As if a publisher had gone on for so long.
      const remains = topic;
      remains.startAt(at + stall, 1000);
      expect(readAll(reader), `${stall}`).to.have.length(0);
      expect(reader.takeGap(), `${stall}`).to.deep.equal({ records: 999, bytes: stall });
    }
  });
});
