import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { finished } from 'node:stream/promises';
import { Piscina } from 'piscina';
import {
  Bus,
  Channel,
  dial,
  dialChannel,
  listen,
  listenChannel,
  type MapFile,
  type MapMem,
  openFile,
  openMem,
  reap,
  Ring,
} from '../../src/index.js';
import { PayloadArena, runWithPayloads } from '../../src/transport/piscina/index.js';
import { sibling } from '../support/processes.js';

/** Where one run of an operation takes place; the region directory is `regions` in it. */
export interface Place {
  readonly home: string;
  readonly regions: string;
  /** A path of that name there. */
  readonly path: (name: string) => string;
  /** An error that came by an event: it has to be one of ours, too. */
  readonly told: (error: unknown) => void;
}

/** What a user does, so that its system calls can be made to fail one by one. */
export interface Operation<Context = unknown, Value = unknown> {
  readonly name: string;
  /** What has to be there before. Nothing fails meanwhile. */
  prepare?(place: Place): Context | Promise<Context>;
  /** What may fail. */
  act(context: Context, place: Place): Value | Promise<Value>;
  /** Checks and gives back what `act` gave. Nothing fails meanwhile. */
  finish?(value: Value, context: Context, place: Place): unknown;
  /** Gives back what `prepare` made, and throws where that was harmed. */
  dispose?(context: Context, place: Place): unknown;
  /** `act` uses up what `prepare` made: it is tried again with another. */
  readonly isOnce?: boolean;
}

const all: Operation[] = [];

function add<C, V>(operation: Operation<C, V>): void {
  all.push(operation);
}

function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

const text = 'what was there before\n';

const textOf = (bytes: Uint8Array | null) => bytes && Buffer.from(bytes).toString();

/** A file of somebody else's, with content that has to stay. */
const anotherFile = {
  prepare({ path }: Place): string {
    writeFileSync(path('file'), text);
    return path('file');
  },
  dispose(name: string): void {
    const now = readFileSync(name, 'utf8');
    check(now.startsWith(text), 'the content of the file has changed');
    check(/^\0*$/.test(now.slice(text.length)), 'something was appended');
    rmSync(name);
  },
};

const closes = { finish: (value: { close(): unknown }) => value.close() };

for (const [name, options] of Object.entries({
  read: {},
  'read, prefault': { prefault: true },
  'read, lock': { lock: true },
  'copy-on-write': { access: 'copy-on-write' },
  'read-write': { access: 'read-write' },
  'read-write, grown': { access: 'read-write', size: 10_000 },
  'read-write, grown, lock': { access: 'read-write', size: 10_000, lock: true },
  'read-write, create, there': { access: 'read-write', create: true, size: 10 },
} as const)) {
  add({
    name: `openFile: ${name}`,
    ...anotherFile,
    act: (file: string) => openFile(file, options),
    finish(file: MapFile) {
      check(file.bytes[0] === text.charCodeAt(0), 'other content');
      file.close();
    },
  });
}

for (const create of [true, 'exclusive'] as const) {
  add({
    name: `openFile: create ${create}, missing`,
    act: (_, { path }) =>
      openFile(path('new'), { access: 'read-write', create, size: 8192, lock: true }),
    finish(file, _, { path }) {
      check(file.length === 8192, 'another length');
      file.close();
      rmSync(path('new'));
    },
  });
}

/** A mapped file of which something is asked. */
function onFile(name: string, act: (file: MapFile) => unknown): void {
  add({
    name: `file.${name}`,
    prepare(place) {
      const path = anotherFile.prepare(place);
      return { path, file: openFile(path, { access: 'read-write', size: 16_384 }) };
    },
    act: ({ file }) => act(file),
    dispose({ path, file }) {
      file.close();
      anotherFile.dispose(path);
    },
  });
}

onFile('stat', file => file.stat());
onFile('sync', file => file.sync());
onFile('advise', file => file.advise('willneed'));
onFile('lock and unlock', file => {
  file.lock();
  file.unlock();
});
onFile('protect', file => {
  file.protect('read');
  file.protect('read-write');
});
onFile('resident', file => file.resident());
onFile('buffer', file => file.buffer);
onFile('createReadStream', async file => {
  const read = await buffer(file.createReadStream({ highWaterMark: 8192 }));
  check(read.length === 16_384, 'another length');
});
onFile('createWriteStream', async file => {
  const stream = file.createWriteStream({ start: 8192, flush: true });
  stream.end(Buffer.alloc(8192));
  await finished(stream);
});

add({
  name: 'file.close',
  prepare(place) {
    const path = anotherFile.prepare(place);
    return { path, file: openFile(path) };
  },
  act: ({ file }) => file.close(),
  dispose: ({ path }) => anotherFile.dispose(path),
  isOnce: true,
});

add({ name: 'openMem: new', act: () => openMem({ bytes: 8192 }), ...closes });
add({
  name: 'openMem: new, in a directory with leftovers',
  prepare: leftovers,
  act: () => openMem({ bytes: 8192 }),
  ...closes,
  dispose: () => void reap(),
});
for (const access of ['read', 'read-write'] as const) {
  add({
    name: `openMem: by its id, ${access}`,
    prepare: () => openMem({ bytes: 8192 }),
    act: (mem: MapMem) => openMem(mem.id, { access }),
    ...closes,
    dispose: (mem: MapMem) => mem.close(),
  });
}
add({
  name: 'openMem: of a buffer',
  prepare: () => openMem({ bytes: 8192 }),
  act: (mem: MapMem) => openMem(mem.buffer),
  ...closes,
  dispose: (mem: MapMem) => mem.close(),
});
add({
  name: 'mem.close',
  prepare: () => openMem({ bytes: 8192 }),
  act: mem => mem.close(),
  isOnce: true,
});

const capacity = 4096;

add({ name: 'Ring.create', act: () => Ring.create({ capacity }), ...closes });
add({
  name: 'Ring.create: kept in a file',
  act: (_, { path }) => Ring.create({ capacity, path: path('ring') }),
  finish(ring, _, { path }) {
    ring.close();
    rmSync(path('ring'));
  },
});
add({
  name: 'Ring.open',
  prepare: () => Ring.create({ capacity }),
  act: (ring: Ring) => Ring.open(ring.handle),
  ...closes,
  dispose: (ring: Ring) => ring.close(),
});
add({
  name: 'Ring.open: kept in a file',
  prepare({ path }) {
    const ring = Ring.create({ capacity, path: path('ring') });
    ring.producer().tryWrite(Buffer.from('kept'));
    ring.close();
    return path('ring');
  },
  act: (path: string) => Ring.open(path),
  finish(ring) {
    check(textOf(ring.consumer().tryRead()) === 'kept', 'the record is gone');
    ring.close();
  },
  dispose: (path: string) => rmSync(path),
  isOnce: true,
});
for (const role of ['producer', 'consumer'] as const) {
  add({
    name: `ring.${role}`,
    prepare: () => Ring.create({ capacity }),
    act: (ring: Ring) => ring[role](),
    finish: value => ('end' in value ? value.end() : value.close()),
    dispose: (ring: Ring) => ring.close(),
    isOnce: true,
  });
}

/** Both ends of a ring, in this thread. */
function bothEnds() {
  const ring = Ring.create({ capacity });
  const other = Ring.open(ring.handle);
  return { ring, other, producer: ring.producer(), consumer: other.consumer() };
}

type Ends = ReturnType<typeof bothEnds>;

const closesBoth = {
  dispose({ ring, other }: { ring: Ring; other: Ring }) {
    ring.close();
    other.close();
  },
};

add({
  name: 'consumer.read: parked, and woken',
  prepare: bothEnds,
  async act({ producer, consumer }: Ends) {
    const reading = consumer.read();
    reading.catch(() => {}); // told below
    await new Promise(setImmediate);
    check(producer.tryWrite(Buffer.from('word')), 'it was full');
    check(textOf(await reading) === 'word', 'another record');
  },
  ...closesBoth,
  isOnce: true,
});
add({
  name: 'consumer.readSync: in vain',
  prepare: bothEnds,
  act: ({ consumer }: Ends) => check(consumer.readSync(120) === null, 'a record'),
  ...closesBoth,
});
add({
  name: 'ring.stats',
  prepare: bothEnds,
  act: ({ ring }: Ends) => ring.stats(),
  ...closesBoth,
});
add({
  name: 'ring.close: both roles taken',
  prepare: () => {
    const ring = Ring.create({ capacity });
    ring.producer();
    ring.consumer();
    return ring;
  },
  act: (ring: Ring) => ring.close(),
  isOnce: true,
});
add({
  name: 'ring.close: the other end parked',
  prepare() {
    const ends = bothEnds();
    return { ...ends, reading: ends.consumer.read() };
  },
  async act({ ring, reading }: Ends & { reading: Promise<Uint8Array | null> }) {
    reading.catch(() => {});
    ring.close();
    check((await reading) === null, 'a record');
  },
  ...closesBoth,
  isOnce: true,
});

add({ name: 'Channel.create', act: () => Channel.create({ capacity }), ...closes });
add({
  name: 'Channel.open',
  prepare: () => Channel.create({ capacity }),
  act: (channel: Channel) => Channel.open(channel.handle),
  ...closes,
  dispose: (channel: Channel) => channel.close(),
  isOnce: true,
});
add({
  name: 'channel: there and back',
  prepare({ told }) {
    const options = { capacity, wait: { spin: 0 } };
    const here = Channel.create<string>(options).on('error', told);
    const there = Channel.open<string>(here.handle, options).on('error', told);
    return { here, there };
  },
  async act({ here, there }) {
    there.on('message', value => there.send(`${value}!`));
    const answer = new Promise((resolve, reject) => here.on('message', resolve).on('end', reject));
    check(here.send('word'), 'it was full');
    check((await answer) === 'word!', 'another value');
  },
  async dispose({ here, there }) {
    await Promise.all([here.close(), there.close()]);
  },
  isOnce: true,
});
add({
  name: 'channel.close',
  prepare() {
    const here = Channel.create<string>({ capacity }).on('message', () => {});
    return { here, there: Channel.open<string>(here.handle).on('message', () => {}) };
  },
  async act({ here, there }) {
    await Promise.all([here.close(), there.close()]);
  },
  isOnce: true,
});

const limits = { handshakeTimeout: 3000 };

add({
  name: 'listen',
  act: (_, { path }) => listen(path('socket')),
  ...closes,
});
add({
  name: 'listen: over a socket that was left behind',
  async prepare({ path }) {
    const listener = await listen(path('socket'));
    // A process that is killed leaves its socket: a copy of the name stays here.
    const { linkSync } = await import('node:fs');
    linkSync(path('socket'), path('left'));
    await listener.close();
    return path('left');
  },
  act: (path: string) => listen(path),
  finish: listener => listener.close(),
  dispose: (path: string) => rmSync(path, { force: true }),
  isOnce: true,
});
add({
  name: 'dial: there and back, and both closed',
  async prepare({ path, told }) {
    const listener = await listen(path('socket'), limits, conn => {
      conn.on('error', told).pipe(conn);
    });
    return listener.on('clientError', told).on('error', told);
  },
  async act(_, { path }) {
    const conn = await dial(path('socket'), { timeout: 4000 });
    conn.setTimeout(4000, () => conn.destroy(new Error('nothing came')));
    conn.end('hello');
    check(String(await buffer(conn)) === 'hello', 'other bytes');
    if (!conn.closed) await once(conn, 'close');
  },
  dispose: listener => listener.close(),
});
add({
  name: 'dialChannel: there and back, and both closed',
  async prepare({ path, told }) {
    const listener = await listenChannel<string>(path('socket'), limits, channel => {
      channel.on('error', told).on('message', value => channel.send(`${value}!`));
    });
    return listener.on('clientError', told).on('error', told);
  },
  async act(_, { path }) {
    const channel = await dialChannel<string>(path('socket'), { timeout: 4000 });
    try {
      const answer = new Promise((resolve, reject) => {
        channel.on('message', resolve).on('error', reject).on('end', reject);
      });
      channel.send('word');
      check((await answer) === 'word!', 'another value');
    } finally {
      await channel.close();
    }
  },
  dispose: listener => listener.close(),
});
add({
  name: 'listener.close',
  prepare: ({ path }) => listen(path('socket')),
  act: listener => listener.close(),
  dispose: (_, { path }) => rmSync(path('socket'), { force: true }), // Node does not say that it failed
  isOnce: true,
});

const busOptions = { capacity, closeTimeout: 1000, requestTimeout: 4000 };

add({ name: 'Bus.join: alone', act: () => Bus.join('alone', busOptions), ...closes });
add({
  name: 'Bus.join: with another',
  async prepare({ told }) {
    return (await Bus.join('two', busOptions)).on('error', told);
  },
  async act(_, { told }) {
    return (await Bus.join('two', busOptions)).on('error', told);
  },
  ...closes,
  dispose: bus => bus.close(),
});
add({
  name: 'bus.send and request',
  async prepare({ told }) {
    const here = (await Bus.join<string>('two', { ...busOptions, id: 'a' })).on('error', told);
    const there = (await Bus.join<string>('two', { ...busOptions, id: 'b' })).on('error', told);
    there.onRequest(value => `${value}?`);
    return { here, there };
  },
  async act({ here, there }) {
    const signal = AbortSignal.timeout(6000);
    const arrival = once(there, 'message', { signal });
    arrival.catch(() => {});
    if (!here.send('b', 'word')) {
      await once(here, 'drain', { signal });
      check(here.send('b', 'word'), 'it was full');
    }
    check((await here.request('b', 'word')) === 'word?', 'another answer');
    await arrival;
  },
  async dispose({ here, there }) {
    await Promise.all([here.close(), there.close()]);
  },
  isOnce: true,
});
add({
  name: 'bus.close',
  async prepare({ told }) {
    const here = (await Bus.join<string>('two', { ...busOptions, id: 'a' })).on('error', told);
    const there = (await Bus.join<string>('two', { ...busOptions, id: 'b' })).on('error', told);
    const arrived = once(there, 'message');
    here.send('b', 'word');
    await arrived;
    return { here, there };
  },
  act: ({ here }) => here.close(),
  dispose: ({ there }) => there.close(),
  isOnce: true,
});

add({
  name: 'PayloadArena.create',
  act: () => PayloadArena.create({ bytes: 65_536 }),
  ...closes,
});
add({
  name: 'PayloadArena.open',
  prepare: () => PayloadArena.create({ bytes: 65_536, parts: 2 }),
  act: arena => PayloadArena.open(arena.handle),
  ...closes,
  dispose: arena => arena.close(),
});
add({
  name: 'arena.share, and close',
  prepare: () => PayloadArena.create({ bytes: 65_536 }),
  act(arena) {
    const payload = arena.share(Buffer.alloc(1000, 1));
    payload.release();
    arena.close();
  },
  dispose: arena => arena.close(),
  isOnce: true,
});

let pool: Piscina | undefined;
add({
  name: 'runWithPayloads',
  prepare: () => PayloadArena.create({ bytes: 1 << 20 }),
  async act(arena) {
    const payload = arena.share(Buffer.alloc(1000, 1));
    const filename = sibling(import.meta.url, './handler.js');
    pool = new Piscina({ filename, workerData: { payloads: arena.handle }, maxThreads: 1 });
    const result: unknown = await runWithPayloads(pool, payload);
    check((result as Uint8Array).length === 1000, 'another result');
  },
  async dispose(arena) {
    await pool?.destroy();
    pool = undefined;
    arena.close();
  },
  isOnce: true,
});

/** What killed processes leave: a segment, a ring, a doorbell's name as a plain file. */
function leftovers({ regions }: Place): void {
  mkdirSync(regions, { mode: 0o700, recursive: true });
  for (const [kind, digit] of [
    ['mem', 'a'],
    ['ring', 'b'],
    ['link', 'c'],
  ] as const) {
    writeFileSync(join(regions, `${kind}-${digit.repeat(24)}`), 'left', { mode: 0o600 });
  }
}

add({ name: 'reap', prepare: leftovers, act: () => reap(), dispose: () => void reap() });
add({
  name: 'reap: nothing to do',
  prepare: () => openMem(),
  act: () => reap(),
  dispose(mem: MapMem, { regions }) {
    check(statSync(join(regions, `mem-${mem.id}`)).isFile(), 'it removed what is in use');
    mem.close();
  },
});

export const operations: readonly Operation[] = all;
