import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { connect } from 'node:net';
import { join } from 'node:path';
import { ackBytes, readAck, writeAck, type Ack } from '../messages.js';
import { Answers } from './answers.js';
import type { ReceiverContext, Sender, SenderContext, Transport } from './transport.js';

/** Before each message, its length. */
const prefixBytes = 4;

/** Messages with a length before each, over a Unix socket of `node:net`. */
export const unixSocket: Transport = {
  name: 'unix-socket',
  label: 'Unix socket',
  places: ['process', 'thread'],
  polls: false,
  send,
  receive,
};

async function send({ trial, directory, outgoing, start }: SenderContext): Promise<Sender> {
  const path = join(directory, 'socket');
  const server = createServer();
  server.listen(path);
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  await start(path);
  const [socket] = await accepted;

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
    close: () => closeAll(server, socket),
  };
}

function receive({ trial, handover, incoming, ready }: ReceiverContext): void {
  const socket = connect(handover as string, ready);
  socket.on(
    'data',
    messageReader(trial.size, (bytes, offset, length) => {
      if (!incoming.accept(bytes, offset, length)) return;
      const answer = Buffer.allocUnsafe(prefixBytes + ackBytes);
      answer.writeInt32LE(ackBytes, 0);
      writeAck(answer.subarray(prefixBytes), incoming.ack);
      socket.write(answer);
    }),
  );
}

function closeAll(server: Server, socket: Socket): void {
  socket.destroy();
  server.close();
}

/**
 * Buffers used in turn, so that none is allocated per message. The socket holds less than
 * its high-water mark when `write` may go on, hence one comes round only when it is free.
 */
class Frames {
  readonly #frames: Buffer[];
  #index = 0;

  constructor(size: number, highWaterMark: number) {
    const length = prefixBytes + size;
    this.#frames = Array.from({ length: Math.ceil(highWaterMark / length) + 2 }, () => {
      const frame = Buffer.alloc(length, '.');
      frame.writeInt32LE(size, 0);
      return frame;
    });
  }

  next(): Buffer {
    this.#index = (this.#index + 1) % this.#frames.length;
    return this.#frames[this.#index]!;
  }
}

/**
 * Cuts a stream of chunks into messages. One that lies whole within a chunk is passed on
 * where it is; one that straddles chunks is put together in a buffer that is used again.
 */
function messageReader(
  longest: number,
  onMessage: (bytes: Buffer, offset: number, length: number) => void,
): (chunk: Buffer) => void {
  const partial = Buffer.alloc(prefixBytes + longest);
  let held = 0;

  return chunk => {
    let at = 0;
    while (at < chunk.length) {
      if (held === 0 && chunk.length - at >= prefixBytes) {
        const length = chunk.readInt32LE(at);
        if (chunk.length - at - prefixBytes >= length) {
          onMessage(chunk, at + prefixBytes, length);
          at += prefixBytes + length;
          continue;
        }
      }
      const wanted = held < prefixBytes ? prefixBytes : prefixBytes + partial.readInt32LE(0);
      const taken = chunk.copy(partial, held, at, at + wanted - held);
      held += taken;
      at += taken;
      if (held < prefixBytes || held < prefixBytes + partial.readInt32LE(0)) continue;
      onMessage(partial, prefixBytes, held - prefixBytes);
      held = 0;
    }
  };
}
