import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import {
  Bus,
  Ring,
  type RingHandle,
  type ShmError,
  Topic,
  type TopicHandle,
} from '../src/index.js';
import { makeRegionHome } from './region-home.js';

/*
 * Topics. The ways take turns, so that a busy machine is as busy for each; what is shown are medians.
 *
 *   cost        the publisher's processor time for 64 bytes, with readers of which none sleeps, all of
 *               them in one other process
 *   throughput  64 bytes to one reader in another process that takes every record in place: a topic
 *               whose publisher waits for it, beside a ring
 *   fan-out     small objects to 1 to 4 processes, until all have all: a topic that waits for them,
 *               bus.broadcast, and process.send in a loop
 *
 *   node dist/bench/topic.js [cost|throughput|fan-out] [trials]
 */

const capacity = 2 ** 20;
const payload = Buffer.alloc(64, 1);
const object = (id: number) => ({ id, name: 'worker', value: id / 2, ok: true });

async function start(...args: string[]): Promise<ChildProcess> {
  const child = fork(import.meta.filename, ['child', ...args], { serialization: 'advanced' });
  await once(child, 'message');
  return child;
}

/** Nanoseconds of processor time for each of `count` publishes. */
async function cost(readers: number, count = 1_000_000): Promise<number> {
  using topic = Topic.create<Uint8Array>(undefined, { codec: 'bytes', capacity });
  const child =
    readers > 0 ? await start('poll', JSON.stringify(topic.handle), `${readers}`) : null;
  const before = process.cpuUsage();
  for (let i = 0; i < count; i++) topic.publish(payload);
  const { user, system } = process.cpuUsage(before);
  child?.kill('SIGKILL');
  return ((user + system) * 1000) / count;
}

/** Messages per second. */
async function throughput(way: 'topic' | 'ring', count = 2_000_000): Promise<number> {
  const closed: (() => void)[] = [];
  let write: () => boolean;
  let handle: RingHandle | TopicHandle;
  if (way === 'ring') {
    const ring = Ring.create({ capacity });
    const producer = ring.producer();
    write = () => producer.tryWrite(payload);
    handle = ring.handle;
    closed.push(() => ring.close());
  } else {
    const topic = Topic.create<Uint8Array>(undefined, { codec: 'bytes', capacity });
    write = () => topic.publish(payload);
    handle = topic.handle;
    closed.push(() => topic.close());
  }
  const child = await start(way, JSON.stringify(handle), String(count));
  const finished = once(child, 'message');
  const began = performance.now();
  for (let i = 0; i < count;) if (write()) i++;
  await finished;
  const milliseconds = performance.now() - began;
  child.kill('SIGKILL');
  for (const close of closed) close();
  return (count * 1000) / milliseconds;
}

type Way = 'topic' | 'bus' | 'process.send';

async function fanOut(way: Way, readers: number, count: number): Promise<number> {
  const topic = way === 'topic' ? Topic.create('bench fan-out', { capacity }) : undefined;
  const bus = way === 'bus' ? await Bus.join('bench fan-out', { id: 'sender' }) : undefined;
  const children = await Promise.all(
    Array.from({ length: readers }, () => start(`count ${way}`, String(count))),
  );
  const finished = Promise.all(children.map(child => once(child, 'message')));
  const began = performance.now();
  for (let i = 0; i < count; i++) {
    const value = object(i);
    if (topic) while (!topic.publish(value)) await topic.ready();
    if (bus) {
      for (const id of bus.broadcast(value)) while (!bus.send(id, value)) await bus.ready(id);
    }
    if (way === 'process.send') {
      const full = children.filter(child => !child.send(value));
      if (full.length > 0) await new Promise(setImmediate);
    }
  }
  await finished;
  const milliseconds = performance.now() - began;
  for (const child of children) child.kill('SIGKILL');
  topic?.close();
  await bus?.close();
  return (count * 1000) / milliseconds;
}

async function child([what, ...args]: string[]): Promise<void> {
  const say = () => process.send!('done');
  const limit = Number(args.at(-1));
  let count = 0;
  const counted = () => ++count === limit && say();
  if (what === 'poll') {
    const topic = Topic.open<Uint8Array>(JSON.parse(args[0]!) as TopicHandle, { codec: 'bytes' });
    const all = Array.from({ length: limit }, () => topic.subscribe());
    say();
    for (;;) {
      for (const one of all) {
        try {
          one.drain(() => {}, 1000);
        } catch (error) {
          // Lapped while the handler ran, which is what happens to a reader on a busy machine.
          if ((error as ShmError).code !== 'ERR_OVERRUN') throw error;
        }
      }
    }
  } else if (what === 'ring' || what === 'topic') {
    const handle = JSON.parse(args[0]!) as RingHandle;
    const reader =
      what === 'ring'
        ? Ring.open(handle).consumer()
        : Topic.open<Uint8Array>(handle, { codec: 'bytes' }).subscribe({ whenBehind: 'wait' });
    say();
    while (count < limit) count += reader.drain(() => {});
    say();
  } else if (what === 'count topic') {
    Topic.open('bench fan-out').subscribe({ whenBehind: 'wait' }).on('message', counted);
    say();
  } else if (what === 'count bus') {
    const bus = await Bus.join('bench fan-out');
    bus.on('message', counted);
    say();
  } else {
    process.on('message', counted);
    say();
  }
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}

/** Each of the rows in turn, again and again. */
async function compare(
  rows: readonly (readonly [string, () => Promise<number>])[],
  trials: number,
  show: (value: number) => string,
): Promise<void> {
  const results = rows.map(() => [] as number[]);
  for (let trial = 0; trial < trials; trial++) {
    for (const [index, [, run]] of rows.entries()) results[index]!.push(await run());
  }
  for (const [index, [name]] of rows.entries()) {
    console.log(`${name.padEnd(28)}${show(median(results[index]!))}`);
  }
}

const [role = 'all', ...rest] = process.argv.slice(2);
if (role === 'child') {
  await child(rest);
} else {
  const trials = Number(rest[0] ?? 3);
  const home = makeRegionHome('mmap-transport-bench-');
  process.env.MMAP_TRANSPORT_DIR = home;
  const million = (value: number) => `${(value / 1e6).toFixed(2)} M/s`;
  if (role === 'all' || role === 'cost') {
    const rows = [0, 1, 8, 64].map(n => [`cost, ${n} readers`, () => cost(n)] as const);
    await compare(rows, trials, value => `${value.toFixed(0)} ns`);
  }
  if (role === 'all' || role === 'throughput') {
    const ways = ['topic', 'ring'] as const;
    const rows = ways.map(way => [`throughput, ${way}`, () => throughput(way)] as const);
    await compare(rows, trials, million);
  }
  if (role === 'all' || role === 'fan-out') {
    for (const readers of [1, 2, 3, 4]) {
      const ways = { topic: 200_000, bus: 100_000, 'process.send': 20_000 } as const;
      const rows = Object.entries(ways).map(
        ([way, count]) =>
          [`${way} to ${readers}`, () => fanOut(way as Way, readers, count)] as const,
      );
      await compare(rows, trials, million);
    }
  }
  rmSync(home, { recursive: true, force: true });
}
