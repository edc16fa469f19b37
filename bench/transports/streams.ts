import { once } from 'node:events';
import { connect, createServer, type NetConnectOpts, type OnReadOpts, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { type Conn, dial, listen, type OnRead } from '../../src/index.js';
import { type Ack, ackBytes, readAck, writeAck } from '../messages.js';
import { Answers } from './answers.js';
import { Frames, messageReader, prefixBytes } from './frames.js';
import type { ReceiverContext, Sender, SenderContext, Transport } from './transport.js';

/** A way to connect two ends that take and give bytes as `node:net`'s do. */
interface Way {
  name: string;
  label: string;
  /** Listens; then `connect` is handed over to the other side. */
  listen(directory: string): Promise<{
    where: unknown;
    accepted: Promise<Duplex>;
    close(): unknown;
  }>;
  connect(where: unknown, onread?: OnRead): Promise<Duplex>;
}

const net = (name: string, label: string, at: (directory: string) => object): Way => ({
  name,
  label,
  async listen(directory) {
    const server = createServer({ noDelay: true }).listen(at(directory));
    await once(server, 'listening');
    const address = server.address()!;
    return {
      where: typeof address === 'string' ? { path: address } : { port: address.port },
      accepted: (once(server, 'connection') as Promise<[Socket]>).then(([socket]) => socket),
      close: () => server.close(),
    };
  },
  async connect(where, onread) {
    const socket = connect({
      ...{ host: '127.0.0.1', noDelay: true },
      ...(where as NetConnectOpts),
      ...(onread && { onread: onread as OnReadOpts }),
    });
    await once(socket, 'connect');
    return socket;
  },
});

const ways: Way[] = [
  net('unix-socket', 'Unix socket', directory => ({ path: join(directory, 'socket') })),
  net('tcp', 'TCP loopback', () => ({ port: 0, host: '127.0.0.1' })),
  {
    name: 'conn',
    label: 'Conn',
    async listen(directory) {
      const where = join(directory, 'conn');
      const listener = await listen(where);
      const accepted = once(listener, 'connection') as Promise<[Conn]>;
      return { where, accepted: accepted.then(([conn]) => conn), close: () => listener.close() };
    },
    async connect(where, onread) {
      const conn = await dial(where as string, { ...(onread && { onread }) });
      if (conn.transport !== 'shared-memory') throw new Error(conn.fallbackReason);
      return conn;
    },
  },
];

/** Of one read into memory that is used again; as much as `node:net` reads at once. */
const readBytes = 64 * 1024;

/** Messages with a length before each, over byte streams: those of `node:net`, and `Conn`. */
export const streams: Transport[] = ways.flatMap(way =>
  [false, true].map(into => ({
    name: into ? `${way.name}-onread` : way.name,
    label: into ? `${way.label}, onread` : way.label,
    places: ['process', 'thread'],
    polls: false,
    send: context => send(way, context),
    receive: context => void receive(way, into, context),
  })),
);

async function send(
  way: Way,
  { trial, directory, outgoing, start }: SenderContext,
): Promise<Sender> {
  const listening = await way.listen(directory);
  await start(listening.where);
  const socket = await listening.accepted;

  const answers = new Answers<Ack>();
  const collect = messageReader(ackBytes, (bytes, offset) => answers.give(readAck(bytes, offset)));
  socket.on('data', collect);
  socket.on('error', answers.fail);
  const frames = new Frames(trial.size, socket.writableHighWaterMark);

  return {
    async batch(count) {
      const answer = answers.next();
      for (let i = 1; i <= count; i++) {
        const frame = frames.next();
        outgoing.fill(frame, prefixBytes, i === count);
        if (!socket.write(frame)) await once(socket, 'drain');
      }
      outgoing.check(await answer);
    },
    close() {
      socket.destroy();
      listening.close();
    },
  };
}

async function receive(
  way: Way,
  into: boolean,
  { trial, handover, incoming, ready }: ReceiverContext,
): Promise<void> {
  const onChunk = messageReader(trial.size, (bytes, offset, length) => {
    if (!incoming.accept(bytes, offset, length)) return;
    const answer = Buffer.allocUnsafe(prefixBytes + ackBytes);
    answer.writeInt32LE(ackBytes, 0);
    writeAck(answer.subarray(prefixBytes), incoming.ack);
    socket.write(answer);
  });
  const buffer = Buffer.alloc(readBytes);
  const callback = (count: number) => onChunk(buffer.subarray(0, count));
  const socket = await way.connect(handover, into ? { buffer, callback } : undefined);
  if (!into) socket.on('data', onChunk);
  ready();
}
