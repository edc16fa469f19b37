import type { Socket } from 'node:net';
import { ShmError, systemError } from '../../errors.js';
import { isObject } from '../../native/arguments.js';
import { setTimeout } from '../../timers.js';

/*
 * What is said over a link's socket before its bytes go through shared memory:
 *
 *   0      4         5      6        8
 *   | MMLK | version | kind | length | JSON, UTF-8, `length` bytes |
 *
 * `length` is little-endian, at most 4096. The eight bytes mean the same in every version,
 * so that each side can tell the other why it does not understand it.
 */

const magic = Buffer.from('MMLK');
const messageHeaderBytes = 8;
const maxBody = 4096;

export const protocolVersion = 2;

export const HandshakeKind = {
  hello: 1,
  ask: 2,
  offer: 3,
  start: 4,
  error: 5,
  confirm: 6,
} as const;
export type HandshakeKind = (typeof HandshakeKind)[keyof typeof HandshakeKind];

/** The body of a message, not yet trusted. */
export type Body = Readonly<Record<string, unknown>>;

export interface Message {
  readonly kind: HandshakeKind;
  readonly body: Body;
}

/** One side's handshake, as its errors name it. */
export interface HandshakeContext {
  readonly operation: string;
  readonly address: string;
  /** Ends it, with its reason, at the latest when its time is over. */
  readonly signal: AbortSignal;
  /** Whether waiting for another try keeps the process alive. @default it does */
  readonly isRefed?: () => boolean;
}

/** How long a refused peer is given to read why, in milliseconds. */
const refusalTime = 500;

/** Bytes that are read of it meanwhile, and dropped: more than an honest peer says by then. */
const mostIgnored = 256 * 1024;

export function sendMessage(socket: Socket, kind: HandshakeKind, body: object): void {
  socket.write(encode(kind, body));
}

export function encode(kind: HandshakeKind, body: object): Buffer {
  const json = Buffer.from(JSON.stringify(body));
  const header = Buffer.alloc(messageHeaderBytes);
  header.set(magic);
  header[4] = protocolVersion;
  header[5] = kind;
  header.writeUInt16LE(json.length, 6);
  return Buffer.concat([header, json]);
}

/** Whether a body goes into one message. */
export function fitsMessage(body: object): boolean {
  return Buffer.byteLength(JSON.stringify(body)) <= maxBody;
}

/**
 * Reads one message of these kinds, and not a byte more: what follows stays in the socket.
 *
 * @throws {ShmError} `ERR_PROTOCOL` where the peer speaks something else, `ERR_VERSION`,
 *   `ECONNRESET` where it goes before it has said all; the peer's own code where it refuses;
 *   the signal's reason
 */
export async function receiveMessage(
  socket: Socket,
  kinds: readonly HandshakeKind[],
  context: HandshakeContext,
): Promise<Message> {
  const news = new ReadableWatcher(socket, context.signal);
  try {
    return await receive(socket, kinds, context, news);
  } finally {
    news.close();
  }
}

async function receive(
  socket: Socket,
  kinds: readonly HandshakeKind[],
  { operation, address, signal }: HandshakeContext,
  news: ReadableWatcher,
): Promise<Message> {
  const fail = (code: string, detail: string) => new ShmError(code, detail, operation, address);

  /** Exactly `count` bytes. */
  const take = async (count: number): Promise<Buffer> => {
    if (count === 0) return Buffer.alloc(0);
    for (;;) {
      signal.throwIfAborted();
      const bytes = socket.read(count) as Buffer | null;
      if (bytes?.length === count) return bytes;
      // At the end a socket hands out what there is, however little.
      if (bytes || socket.readableEnded || socket.destroyed) {
        const found = bytes ? `, after ${JSON.stringify(bytes.toString('latin1'))}` : '';
        throw fail('ECONNRESET', `the peer closed during the handshake${found}`);
      }
      try {
        await news.next();
      } catch (cause) {
        throw signal.aborted ? cause : systemError(cause, operation, address);
      }
    }
  };

  const header = await take(messageHeaderBytes);
  if (!header.subarray(0, 4).equals(magic)) {
    const found = JSON.stringify(header.toString('latin1'));
    throw fail('ERR_PROTOCOL', `expected a peer that speaks mmap-transport, got ${found}`);
  }
  const length = header.readUInt16LE(6);
  if (length > maxBody) {
    throw fail('ERR_PROTOCOL', `expected a message of at most ${maxBody} bytes, got ${length}`);
  }
  const body = parse(await take(length));
  if (header[5] === HandshakeKind.error && body) {
    const detail = `the peer refused: ${cleanText(body.detail, 400)}`;
    throw fail(/^E[A-Z_]{2,40}$/.exec(cleanText(body.code, 50))?.[0] ?? 'ERR_PROTOCOL', detail);
  }
  if (header[4] !== protocolVersion) {
    throw fail('ERR_VERSION', `expected link version ${protocolVersion}, got ${header[4]}`);
  }
  const kind = kinds.find(one => one === header[5]);
  if (kind === undefined || !body) {
    const found = body ? header[5] : 'a body that is no object';
    throw fail('ERR_PROTOCOL', `expected message ${kinds.join(' or ')}, got ${found}`);
  }
  return { kind, body };
}

/** A peer's words within bounds and without control characters. */
export function cleanText(value: unknown, longest: number): string {
  // What JSON makes need not have a text: an object's toString may be a number.
  const text = isObject(value) ? 'an object' : String(value);
  return text.slice(0, longest).replace(/\p{Cc}/gu, '?');
}

/** Tells the peer why it is refused, and closes. */
export function refuse(socket: Socket, error: Error): void {
  if (socket.destroyed) return;
  const { code = 'ERR_PROTOCOL' } = error as NodeJS.ErrnoException;
  const detail = error.message.replace(/^[A-Z_]+: /, '').slice(0, 400);
  socket.on('error', () => {}); // it may have gone
  // What it still sends must not keep it from reading this.
  let ignored = 0;
  socket.on('data', (chunk: Buffer) => {
    ignored += chunk.length;
    if (ignored > mostIgnored) socket.destroy();
  });
  socket.resume();
  socket.end(encode(HandshakeKind.error, { code, detail }));
  setTimeout(() => socket.destroy(), refusalTime).unref();
}

function parse(json: Buffer): Body | undefined {
  try {
    const body: unknown = JSON.parse(json.toString());
    return isObject(body) && !Array.isArray(body) ? (body as Body) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Tells when there may be something new to read. It listens from its making to `close`: a listener
 * for 'readable' is called as soon as it is added wherever something lies in the socket, so adding
 * one for each look at half a message would go on for ever.
 */
class ReadableWatcher {
  readonly #socket: Socket;
  readonly #signal: AbortSignal;
  #resolve: (() => void) | undefined;
  #reject: ((reason: Error) => void) | undefined;

  constructor(socket: Socket, signal: AbortSignal) {
    this.#socket = socket;
    this.#signal = signal;
    for (const event of events) socket.on(event, this.#come);
    socket.on('error', this.#fail);
    signal.addEventListener('abort', this.#abort);
  }

  /** Resolved when something new may be there, or nothing will come any more. */
  next(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  close(): void {
    for (const event of events) this.#socket.off(event, this.#come);
    this.#socket.off('error', this.#fail);
    this.#signal.removeEventListener('abort', this.#abort);
  }

  readonly #come = () => this.#resolve?.();
  readonly #fail = (error: Error) => this.#reject?.(error);
  readonly #abort = () => this.#reject?.(this.#signal.reason as Error);
}

const events = ['readable', 'end', 'close'];
