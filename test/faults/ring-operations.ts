import { rmSync } from 'node:fs';
import { Channel, Ring } from '../../src/index.js';
import { capacity, check, closes, type Operation, OperationTable } from './operation.js';

const table = new OperationTable();
const { add } = table;

const textOf = (bytes: Uint8Array | null) => bytes && Buffer.from(bytes).toString();

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

export const ringOperations: readonly Operation[] = table.all;
