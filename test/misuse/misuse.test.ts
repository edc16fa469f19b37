import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  Bus,
  Channel,
  Conn,
  Consumer,
  dial,
  dialChannel,
  listen,
  listenChannel,
  Listener,
  MapFile,
  MapMem,
  openFile,
  openMem,
  Producer,
  reap,
  Ring,
  ShmError,
} from '../../src/index.js';
import { clusterBus } from '../../src/transport/cluster/index.js';
import { PayloadArena, payloadTask, runWithPayloads } from '../../src/transport/piscina/index.js';
import { scratch } from '../native/support.js';
import { socketPath } from '../support/platform.js';

/* What plain JavaScript hands over by mistake, to everything that is public. */

/** Makes a value of a kind. Each is tried in every place that is not for it. */
const kinds = {
  undefined: () => undefined,
  null: () => null,
  zero: () => 0,
  negative: () => -1,
  NaN: () => Number.NaN,
  fraction: () => 1.5,
  number: () => 4096,
  digits: () => '4096',
  empty: () => '',
  text: () => 'text',
  boolean: () => true,
  object: () => ({}),
  array: () => [],
  function: () => () => {},
  symbol: () => Symbol('s'),
  bigint: () => 1n,
  date: () => new Date(0),
  map: () => new Map(),
  bytes: () => Buffer.alloc(3),
  infinity: () => Number.POSITIVE_INFINITY,
  bare: () => Object.create(null) as object,
  misspelled: () => ({ capcity: 4096 }),
  promise: () => Promise.resolve({}),
  hostile: () =>
    Object.defineProperty({ toString: undefined }, 'constructor', {
      get() {
        throw new Error('read');
      },
    }),
} satisfies Record<string, () => unknown>;

type Kind = keyof typeof kinds;

/** One place for an argument: the call, and what is right there. */
interface Place {
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

describe('Mistaken arguments', function () {
  this.timeout(60_000);
  const at = scratch();
  const places: Record<string, Place> = {};
  const closing: { close?: () => unknown; destroy?: () => unknown }[] = [];
  let consumer: Consumer;
  let cwd: string;
  let home: string;

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

  /** Opens one of everything, and lists all places. */
  async function openAll() {
    cwd = process.cwd();
    home = mkdtempSync(join(at('.'), 'cwd-'));
    process.chdir(home);
    const file = join(home, 'plain');
    writeFileSync(file, Buffer.alloc(64));
    const mapped = openFile(file, { access: 'read-write' });
    const ring = Ring.create({ capacity: 4096 });
    const producer = ring.producer();
    consumer = ring.consumer();
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
  }

  async function closeAll() {
    await Promise.all(closing.map(one => one.close?.()));
    process.chdir(cwd);
  }

  function tooLong(): Promise<never> {
    return new Promise((_, reject) => {
      setTimeout(reject, 20_000, new Error('it did not end within 20 seconds')).unref();
    });
  }

  /** What a call ends with, and what is left of it is closed. */
  async function outcomeOf(call: () => unknown): Promise<unknown> {
    let result: unknown;
    try {
      result = await Promise.race([call(), tooLong()]);
    } catch (error) {
      return error ?? new Error('undefined was thrown');
    }
    const { close, destroy } = (result ?? {}) as { close?: () => unknown; destroy?: () => unknown };
    if (typeof destroy === 'function') destroy.call(result);
    else if (typeof close === 'function') await close.call(result);
    return undefined;
  }

  it('are refused, each with an error that says what was expected; and nothing is left', async () => {
    await openAll();
    const wrong: string[] = [];
    let tried = 0;
    const directory = process.env.MMAP_TRANSPORT_DIR!;
    const left = () => [...readdirSync(directory), ...readdirSync(home)];
    for (const [name, { call, right }] of Object.entries(places)) {
      for (const [kind, make] of Object.entries(kinds)) {
        tried++;
        const before = new Set(left());
        consumer.drain(() => {}); // so that there is room
        const error = await outcomeOf(() => call(make() as never));
        const what = `${name}, ${kind}: `;
        if (right.includes(kind as Kind)) {
          if (error !== undefined) wrong.push(`${what}refused, ${(error as Error).message}`);
          for (const made of ['text', '4096'])
            rmSync(join(home, made), { force: true, recursive: true });
          continue;
        }
        const { code, message } = (error ?? {}) as Partial<ShmError>;
        if (error === undefined) wrong.push(`${what}taken`);
        else if (!(error instanceof ShmError))
          wrong.push(`${what}raw, ${(error as Error).message}`);
        else if (!/must be|expected|ENOENT|no such|range|[Rr]eceived|at most/.test(message!))
          wrong.push(`${what}says little, ${message!}`);
        if (code?.startsWith('E') !== true && error !== undefined) wrong.push(`${what}no code`);
        const more = left().filter(one => !before.has(one));
        if (more.length > 0) wrong.push(`${what}left ${more.join(', ')}`);
      }
    }
    await closeAll();
    expect(wrong.join('\n')).to.equal('');
    expect(tried).to.be.above(2000);
  });

  it('of an option that is misspelled name the right one', async () => {
    const refused = async (call: () => unknown) => ((await outcomeOf(call)) as Error).message;
    const meant = /there is no option "capcity"; did you mean capacity\?/;
    const options = { capcity: 65536 } as object;
    expect(await refused(() => Channel.create(options))).to.match(meant);
    expect(await refused(() => listen(socketPath(at('no')), options))).to.match(meant);
    expect(await refused(() => Bus.join('no', options))).to.match(meant);
    expect(await refused(() => Ring.create({ capacity: 4096, ...options }))).to.match(meant);
    const unlike = { depth: 3 } as object;
    expect(await refused(() => Channel.create(unlike))).to.match(/"depth"; expected codec, wait/);
  });

  it('a forgotten `await` is named, and so is the way to make what has no constructor', async () => {
    const refused = async (call: () => unknown) => ((await outcomeOf(call)) as Error).message;
    const promise = Promise.resolve({ capacity: 4096 });
    for (const call of [
      (options: never) => Channel.create(options),
      (options: never) => Ring.create(options),
      (options: never) => Bus.join('no', options),
    ]) {
      expect(await refused(() => call(promise as never))).to.match(/await/);
    }
    const classes: [unknown, RegExp][] = [
      [Ring, /Ring\.create/],
      [Channel, /Channel\.create/],
      [Bus, /await Bus\.join/],
      [Conn, /dial/],
      [Listener, /listen/],
      [Producer, /ring\.producer/],
      [Consumer, /ring\.consumer/],
      [MapFile, /openFile/],
      [MapMem, /openMem/],
      [PayloadArena, /PayloadArena\.create/],
    ];
    for (const [Class, way] of classes) {
      const make = Class as new (...args: unknown[]) => unknown;
      for (const args of [[], [{ capacity: 4096 }], ['name']]) {
        const error = await outcomeOf(() => new make(...args));
        expect(error).to.be.instanceOf(ShmError);
        expect((error as ShmError).code).to.equal('ERR_INVALID_ARG');
        expect((error as Error).message).to.match(way);
      }
    }
  });
});
