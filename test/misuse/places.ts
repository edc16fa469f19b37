import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  Bus,
  Channel,
  type Consumer,
  dial,
  dialChannel,
  listen,
  listenChannel,
  openFile,
  openMem,
  reap,
  Ring,
  type ShmError,
  Topic,
} from '../../src/index.js';
import { clusterBus } from '../../src/transport/cluster/index.js';
import { PayloadArena, payloadTask, runWithPayloads } from '../../src/transport/piscina/index.js';
import { socketPath } from '../support/platform.js';
import type { Kind } from './kinds.js';

/** One place for an argument: the call, and what is right there. */
export interface Place {
  call: (value: never) => unknown;
  right: readonly Kind[];
}

const none = ['undefined'] as const;
/** What is an object whose options, if it has any, cannot be seen. */
const options = ['undefined', 'object', 'bare', 'hostile'] as const;
const capacity = ['undefined', 'number'] as const;
const flag = ['undefined', 'boolean'] as const;
const milliseconds = ['undefined', 'zero', 'fraction', 'number', 'infinity'] as const;
/** Of channels and buses. */
const limits = { maxMessage: capacity, closeTimeout: milliseconds } as const;
const bytes = ['bytes'] as const;
const path = ['undefined', 'text', 'digits'] as const;

/** One of everything, open, and each place where an argument of it stands. */
export interface Opened {
  readonly places: Readonly<Record<string, Place>>;
  /** Of the ring that the places of `producer` write to. */
  readonly consumer: Consumer;
  /** The working directory meanwhile. */
  readonly home: string;
  readonly close: () => Promise<void>;
}

/** @param at a path of that name in a folder of the test's */
export async function openAll(at: (name: string) => string): Promise<Opened> {
  const places: Record<string, Place> = {};
  const closing: { close?: () => unknown }[] = [];

  const place = (name: string, right: readonly Kind[], call: (value: never) => unknown) =>
    (places[name] = { right, call });

  /** A place for the options of a call, and one for each of them. */
  function withOptions(
    name: string,
    call: (value: object) => unknown,
    known: Record<string, readonly Kind[]>,
    { right = options, base = {} }: { right?: readonly Kind[]; base?: object } = {},
  ) {
    place(`${name}(options)`, right, call);
    for (const [option, kinds] of Object.entries(known)) {
      place(`${name}.${option}`, kinds, (value: unknown) => call({ ...base, [option]: value }));
    }
  }

  const cwd = process.cwd();
  const home = mkdtempSync(join(at('.'), 'cwd-'));
  process.chdir(home);
  const file = join(home, 'plain');
  writeFileSync(file, Buffer.alloc(64));
  const mapped = openFile(file, { access: 'read-write' });
  const ring = Ring.create({ capacity: 4096 });
  const producer = ring.producer();
  const consumer = ring.consumer();
  const channel = Channel.create();
  const other = Channel.open(channel.handle);
  const bus = await Bus.join('misuse', { id: 'a' });
  const peer = await Bus.join('misuse', { id: 'b' });
  const arena = PayloadArena.create({ bytes: 1 << 20 });
  const listener = await listen(socketPath(at('conn')), conn => conn.on('error', () => {}));
  listener.on('connection', conn => conn.resume());
  const channels = await listenChannel(socketPath(at('channel')), one => {
    one.on('error', () => {});
    one.on('message', () => {}).on('end', () => void one.close());
  });
  closing.push(peer, bus, channel, other, ring, arena, mapped, listener, channels);
  const free = socketPath(at('free'));
  const record = <T>(read: () => T) => (producer.tryWrite(Buffer.alloc(1)), read());
  const fresh = (use: (ring: Ring) => unknown) => {
    const one = Ring.create({ capacity: 4096 });
    try {
      use(one);
    } finally {
      one.close();
    }
  };

  place('openFile(path)', [], value => openFile(value));
  withOptions('openFile', value => openFile(file, value), {
    ...{ access: none, create: none, size: none },
    ...{ mode: ['undefined', 'zero', 'number'], offset: ['undefined', 'zero'] },
    ...{ length: ['undefined', 'zero'], prefault: flag, lock: flag, hugePages: flag },
  });
  place('openMem(first)', options, value => openMem(value));
  withOptions('openMem', value => openMem(undefined, value), {
    ...{ bytes: ['undefined', 'number'], access: none, directory: path },
  });
  place('reap', path, value => reap(value));
  const cursor = ['zero', 'number'] as const;
  place('file.at', ['zero'], value => mapped.at(value));
  place('file.read', bytes, value => mapped.read(value));
  place('file.readAt(target)', bytes, value => mapped.readAt(value, 0));
  place('file.readAt(position)', cursor, value => mapped.readAt(Buffer.alloc(2), value));
  place('file.write', bytes, value => (mapped.seek(0), mapped.write(value)));
  place('file.writeByte', ['zero'], value => (mapped.seek(0), mapped.writeByte(value)));
  place('file.writeAt(source)', bytes, value => mapped.writeAt(value, 0));
  place('file.writeAt(position)', ['zero'], value => mapped.writeAt(Buffer.alloc(2), value));
  place('file.seek(offset)', cursor, value => mapped.seek(value));
  place('file.seek(whence)', none, value => mapped.seek(0, value));
  place('file.position', cursor, value => (mapped.position = value));
  place('file.advise(advice)', [], value => mapped.advise(value));
  place('file.advise(range)', options, value => mapped.advise('normal', value));
  place('file.protect', [], value => mapped.protect(value));
  for (const name of ['lock', 'unlock', 'resident'] as const) {
    place(`file.${name}`, options, value => mapped[name](value));
  }
  const within = ['undefined', 'null', 'zero'] as const;
  withOptions('file.sync', value => mapped.sync(value), { offset: within, async: flag });
  withOptions(
    'Ring.create',
    value => Ring.create(value as never),
    { capacity: ['number'], path: ['undefined', 'text', 'digits'], directory: path },
    { right: [], base: { capacity: 4096 } },
  );
  place('Ring.open', [], value => Ring.open(value));
  for (const role of ['producer', 'consumer'] as const) {
    const take = (value: object) => fresh(one => one[role](value));
    withOptions(`ring.${role}`, take, { wait: none });
  }
  place('producer.tryWrite', bytes, value => producer.tryWrite(value));
  place('producer.reserve', ['zero'], value => {
    producer.reserve(value);
    producer.abort();
  });
  place('producer.commit', ['undefined', 'zero'], value => {
    producer.reserve(8);
    try {
      producer.commit(value);
    } finally {
      producer.abort();
    }
  });
  place('producer.writeSync(source)', bytes, value => producer.writeSync(value));
  place('producer.writeSync(timeout)', milliseconds, value =>
    producer.writeSync(Buffer.alloc(1), value),
  );
  place('producer.write(source)', bytes, value => producer.write(value));
  const waits = { timeout: milliseconds, signal: none } as const;
  withOptions('producer.write', value => producer.write(Buffer.alloc(1), value), waits);
  place('consumer.drain(handler)', ['function'], value => consumer.drain(value));
  place('consumer.drain(limit)', milliseconds, value => consumer.drain(() => {}, value));
  place('consumer.readSync', milliseconds, value => record(() => consumer.readSync(value)));
  withOptions('consumer.read', value => record(() => consumer.read(value)), waits);

  const topic = Topic.create<Uint8Array>(undefined, { codec: 'bytes', capacity: 65536 });
  const plain = Topic.create();
  closing.push(topic, plain);
  const reader = topic.subscribe();
  const made = (use: () => { close(): void }) => use().close();
  place('Topic.create(name)', ['undefined', 'digits', 'text'], value =>
    made(() => Topic.create(value)),
  );
  withOptions('Topic.create', value => made(() => Topic.create(undefined, value)), {
    ...{ codec: none, capacity, path, directory: path, readerTimeout: milliseconds },
  });
  place('Topic.open(topic)', [], value => made(() => Topic.open(value)));
  withOptions('Topic.open', value => made(() => Topic.open(plain.handle, value)), {
    ...{ codec: none, directory: path },
  });
  withOptions('topic.subscribe', value => made(() => topic.subscribe(value)), {
    ...{ from: none, whenBehind: none, wait: none, follow: flag },
  });
  place('topic.publish', bytes, value => topic.publish(value));
  place('topic.publishBatch', ['array'], value => topic.publishBatch(value));
  place('topic.reserve', ['zero', 'number'], value => {
    topic.reserve(value);
    topic.abort();
  });
  place('Topic.merge', ['array'], value => void Topic.merge(value).return!());
  const publish = () => topic.publish(Buffer.alloc(1));
  place('subscription.readSync', milliseconds, value => (publish(), reader.readSync(value)));
  place('subscription.drain(handler)', ['function'], value => (publish(), reader.drain(value)));
  place('subscription.drain(limit)', milliseconds, value => reader.drain(() => {}, value));

  withOptions('Channel.create', value => Channel.create(value), {
    ...{ codec: none, wait: none, ...limits },
    ...{ capacity, directory: path },
  });
  place('Channel.open(handle)', [], value => Channel.open(value));
  withOptions(
    'Channel.open',
    value => {
      const one = Channel.create();
      try {
        closing.push(Channel.open(one.handle, value));
      } finally {
        void one.close();
      }
    },
    { codec: none, wait: none, ...limits },
  );
  place('channel.sendSync(timeout)', milliseconds, value => {
    channel.sendSync(1, value);
    other.receiveSync();
  });
  place('channel.receiveSync', milliseconds, value => {
    channel.send(1);
    other.receiveSync(value);
  });

  const both = {
    wait: none,
    capacity,
    sharedMemory: flag,
  } as const;
  const ofConn = {
    ...{ allowHalfOpen: flag, onread: none },
    highWaterMark: ['undefined', 'zero', 'number'],
  } as const;
  const count = ['undefined', 'zero', 'number', 'infinity'] as const;
  const listening = {
    ...{ ...both, directory: path, handshakes: options, backlog: count, maxConnections: count },
    handshakeTimeout: milliseconds,
  };
  place('listen(address)', ['text'], value => listen(value));
  place('listen(callback)', ['undefined', 'function'], value => listen(free, {}, value));
  const orCallback = [...options, 'function'] as const;
  withOptions(
    'listen',
    value => listen(free, value),
    { ...listening, ...ofConn, pauseOnConnect: flag },
    { right: orCallback },
  );
  place('listen.port', ['zero', 'number'], port => listen({ port }));
  const dialing = {
    ...both,
    signal: none,
    timeout: ['undefined', 'number', 'infinity'],
  } as const;
  place('dial(address)', [], value => dial(value));
  withOptions('dial', value => dial(socketPath(at('conn')), value), { ...dialing, ...ofConn });
  place('listenChannel(address)', ['text'], value => listenChannel(value));
  place('listenChannel(callback)', ['undefined', 'function'], value =>
    listenChannel(free, {}, value),
  );
  withOptions(
    'listenChannel',
    value => listenChannel(free, value),
    { ...listening, codec: none },
    { right: orCallback },
  );
  place('dialChannel(address)', [], value => dialChannel(value));
  withOptions('dialChannel', value => dialChannel(socketPath(at('channel')), value), {
    ...{ ...dialing, codec: none, ...limits },
  });

  place('Bus.join(name)', ['text', 'digits'], value => Bus.join(value));
  const ofBus = {
    ...{ directory: path, codec: none, capacity },
    ...{ wait: none, requestTimeout: milliseconds, ...limits },
  } as const;
  withOptions('Bus.join', value => Bus.join('other', value), { ...ofBus, id: path });
  withOptions('clusterBus', value => clusterBus(value), {
    ...{ ...ofBus, name: [...path, 'empty'] },
  });
  place('bus.send(to)', [], value => bus.send(value, 1));
  place('bus.request(to)', [], value => bus.request(value, 1));
  peer.onRequest(value => value);
  const inTime = (error: ShmError) => {
    if (error.code !== 'ETIMEDOUT') throw error;
  };
  withOptions('bus.request', value => bus.request('b', 1, value).catch(inTime), {
    ...{ timeout: milliseconds, signal: none },
  });
  place('bus.onRequest', ['function'], value => bus.onRequest(value));
  place('bus.ready', [], value => bus.ready(value));
  place('bus.route', [], value => bus.route(value));

  withOptions(
    'PayloadArena.create',
    value => PayloadArena.create(value as never),
    { bytes: ['number'], parts: none, debug: flag, directory: path },
    { right: [], base: { bytes: 4096 } },
  );
  place('PayloadArena.open', [], value => PayloadArena.open(value));
  place('arena.share(source)', bytes, value => arena.share(value));
  const shared = (value: object) => arena.share(Buffer.alloc(1), value);
  withOptions('arena.share', shared, { keep: flag });
  place('arena.allocate', ['zero', 'number'], value => arena.allocate(value));
  place('payloadTask', ['function'], value => payloadTask(value));
  place('runWithPayloads(pool)', [], value => runWithPayloads(value, {}));

  const close = async () => {
    await Promise.all(closing.map(one => one.close?.()));
    process.chdir(cwd);
  };
  return { places, consumer, home, close };
}
