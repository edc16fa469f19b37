// What a user's strict TypeScript project writes: README's kinds of calls. It is never run. It is
// compiled here, and by scripts/check-package.mjs against the published types, with the oldest
// TypeScript that these support, in both ways of resolution.
import type { ChildProcess } from 'node:child_process';
import {
  Bus,
  Channel,
  type ChannelHandle,
  type Codec,
  Conn,
  Consumer,
  dial,
  dialChannel,
  listen,
  listenChannel,
  Listener,
  MapFile,
  Mapped,
  MapMem,
  openFile,
  openMem,
  Producer,
  reap,
  Ring,
  type RingHandle,
  ShmError,
  type ShmErrorCode,
} from 'mmap-transport';
import { clusterBus } from 'mmap-transport/cluster';
import {
  type Borrowed,
  type Payload,
  PayloadArena,
  payloadTask,
  type Pool,
  runWithPayloads,
} from 'mmap-transport/piscina';

interface Order {
  id: number;
  note?: string;
}

export function mapped(): string[] {
  const file: MapFile = openFile(new URL('file:///words.txt'), { access: 'read', length: 10 });
  // Plain memory, with TypeScript's own name for it in each version.
  const plain: ReturnType<Uint8Array['slice']> = file.bytes;
  const found = Buffer.from(file.bytes.buffer).indexOf('needle') + plain.length;
  file.createReadStream({ start: 1 }).pipe(process.stdout);
  file.close();
  const mem: MapMem = openMem({ bytes: 4096 });
  Atomics.add(new Int32Array(mem.buffer), 0, found);
  const same: Mapped = openMem(mem.id);
  same.sync({ async: true });
  same[Symbol.dispose]();
  return reap();
}

export async function ring(handle: RingHandle): Promise<number> {
  const made: Ring = Ring.create({ capacity: 65536 });
  const producer: Producer = made.producer({ wait: { spin: 50 } });
  producer.writeSync(Buffer.from('hello'));
  producer.reserve(8)?.fill(0);
  producer.commit();
  const consumer: Consumer = Ring.open(handle).consumer();
  consumer.drain((bytes, offset, length) => {
    process.stdout.write(bytes.subarray(offset, offset + length));
  });
  for await (const record of consumer) if (record.length === 0) break;
  const record = await consumer.read({ timeout: 10, signal: AbortSignal.timeout(10) });
  return (record?.length ?? 0) + made.stats().recordsRead;
}

export async function channel(child: ChildProcess, handle: ChannelHandle): Promise<void> {
  const made = Channel.create<Order>();
  child.send(made.handle);
  const order: Order = { id: 1 };
  if (!made.send(order)) await made.ready();
  const upperCase: Codec<string> = {
    encode: text => Buffer.from(text.toUpperCase()),
    decode: bytes => Buffer.from(bytes).toString(),
  };
  const texts = Channel.open<string>(handle, { codec: upperCase, wait: 'busy' });
  texts.on('message', text => process.stdout.write(text));
  for await (const { id, note } of made) if (note === String(id)) break;
  await made.close();
}

export async function connections(): Promise<number> {
  const listener: Listener<Conn> = await listen('/run/app/shm.sock', conn => conn.pipe(conn));
  const conn = await dial({ port: 1, host: 'localhost' }, { timeout: 1000 });
  conn.end('hello');
  let length = 0;
  for await (const chunk of conn) length += (chunk as Buffer).length;
  if (conn instanceof Conn && conn.transport === 'socket')
    process.stdout.write(conn.fallbackReason!);
  const channels = await listenChannel<Order>('/run/app/orders', { codec: 'structured' });
  channels.on('connection', one => one.on('message', ({ id }) => (length += id)));
  (await dialChannel<Order>('/run/app/orders')).send({ id: 2 });
  await listener.close();
  return length;
}

export async function buses(): Promise<Order> {
  const bus: Bus<Order> = await Bus.join<Order>('jobs', { id: 'a' });
  bus.on('message', (message, from) => bus.send(from, message));
  bus.on('leave', (id, reason) => process.stdout.write(`${id} ${reason}`));
  bus.onRequest((order, from) => ({ ...order, note: from }));
  const full: string[] = bus.broadcast({ id: 3 });
  for (const id of full) await bus.ready(id);
  const ofCluster = await clusterBus<Order>();
  return ofCluster.request('1', { id: 4 }, { timeout: 1000 });
}

export async function payloads(pool: Pool, bytes: Uint8Array): Promise<number> {
  const arena = PayloadArena.create({ bytes: 1 << 20 });
  const payload: Payload = arena.allocate(10);
  payload.bytes.fill(1);
  const webp = await runWithPayloads<Buffer>(pool, { image: arena.share(bytes), width: 200 });
  const lent: Borrowed<Buffer> = await runWithPayloads<Buffer>(pool, payload, { borrow: true });
  const { length } = lent.value;
  lent.release();
  arena.close();
  return length + webp.length;
}

export default payloadTask(({ image, width }: { image: Buffer; width: number }, context) => {
  const result = context.allocate(width);
  result.set(image.subarray(0, width));
  return result;
});

export function isClosed(error: unknown): boolean {
  const closed: ShmErrorCode = 'ERR_CLOSED';
  return error instanceof ShmError && error.code === closed;
}

/** What a user gets by a call, and cannot make: none of these has a constructor to be called. */
type OnlyByCall =
  | typeof Bus
  | typeof Channel
  | typeof Conn
  | typeof Consumer
  | typeof Listener
  | typeof MapFile
  | typeof MapMem
  | typeof Mapped
  | typeof PayloadArena
  | typeof Producer
  | typeof Ring;
type Makeable = Extract<OnlyByCall, new (...args: never) => unknown>;
export const makeable: [Makeable] extends [never] ? 'none' : 'some' = 'none';

// @ts-expect-error a capacity is a number
export const large: Ring = Ring.create({ capacity: 'large' });
