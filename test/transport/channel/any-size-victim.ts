// Sends a long message and is killed at a certain piece of it: before it is in, or after.
import { Socket } from 'node:net';
import { Channel, type ChannelHandle, dialChannel } from '../../../src/index.js';
import { Producer } from '../../../src/transport/ring/producer.js';

export interface VictimOrders {
  at: ChannelHandle | string;
  /** Bytes of the message. */
  bytes: number;
  /** Which piece; over a socket, which write. */
  piece: number;
  when: 'before' | 'after';
}

/** Replaces a method by one that kills this process at a certain call. */
function killAt(prototype: object, name: string, call: number, when: string): void {
  const methods = prototype as Record<string, (...args: unknown[]) => unknown>;
  const method = methods[name]!;
  let calls = 0;
  methods[name] = function (...args) {
    const isIt = ++calls === call;
    if (isIt && when === 'before') process.kill(process.pid, 'SIGKILL');
    const result = method.apply(this, args);
    if (isIt) process.kill(process.pid, 'SIGKILL');
    return result;
  };
}

process.once('message', orders => {
  void (async () => {
    const { at, bytes, piece, when } = orders as VictimOrders;
    const channel =
      typeof at === 'string'
        ? await dialChannel(at, { codec: 'bytes', sharedMemory: false })
        : Channel.open<Uint8Array>(at, { codec: 'bytes' });
    channel.on('message', () => {});
    channel.send(Buffer.from('before'));
    if (typeof at === 'string') killAt(Socket.prototype, 'write', piece, when);
    else killAt(Producer.prototype, 'commitPiece', piece, when);
    channel.send(Buffer.alloc(bytes, 7));
    await channel.ready();
    channel.send(Buffer.from('behind'));
  })();
});
