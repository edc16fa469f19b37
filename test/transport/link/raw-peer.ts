// Peers that speak the handshake by hand, right or wrong.
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { protocolVersion } from '../../../src/transport/link/handshake-messages.js';

export interface Message {
  version: number;
  kind: number;
  body: Record<string, unknown>;
}

/** One message as it goes over the socket. */
export function encode(
  kind: number,
  body: unknown,
  { mark = 'MMLK', version = protocolVersion, length = -1 } = {},
): Buffer {
  const json = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  const header = Buffer.from([...Buffer.from(mark), version, kind, 0, 0]);
  header.writeUInt16LE(length < 0 ? json.length : length, 6);
  return Buffer.concat([header, json]);
}

/** Collects the messages of a socket, and whatever else comes. */
export class Mouth {
  readonly socket: Socket;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('data', chunk => (this.#bytes = Buffer.concat([this.#bytes, chunk])));
  }

  static async to(path: string): Promise<Mouth> {
    const socket = connect({ path, allowHalfOpen: true });
    await once(socket, 'connect');
    return new Mouth(socket);
  }

  say(...message: Parameters<typeof encode>): void {
    this.socket.write(encode(...message));
  }

  /** The next message; undefined where the other side has closed. */
  async hear(): Promise<Message | undefined> {
    for (;;) {
      const bytes = this.#bytes;
      const end = bytes.length < 8 ? Infinity : 8 + bytes.readUInt16LE(6);
      if (bytes.length >= end) {
        this.#bytes = bytes.subarray(end);
        const body = JSON.parse(bytes.toString('utf8', 8, end)) as Message['body'];
        return { version: bytes[4]!, kind: bytes[5]!, body };
      }
      if (this.socket.readableEnded || this.socket.destroyed) return undefined;
      await Promise.race(['data', 'end', 'close'].map(event => once(this.socket, event)));
    }
  }

  /** Exactly these bytes come next, outside of any message. */
  async hearText(length: number): Promise<string> {
    while (this.#bytes.length < length) await once(this.socket, 'data');
    const text = this.#bytes.toString('utf8', 0, length);
    this.#bytes = this.#bytes.subarray(length);
    return text;
  }
}

/** A listener that treats each peer that connects as the test says. */
export async function rawListener(
  path: string,
  meet: (mouth: Mouth) => Promise<void> | void,
): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, socket => {
    socket.once('end', () => socket.end());
    void meet(new Mouth(socket));
  });
  server.listen(path);
  await once(server, 'listening');
  return server;
}
