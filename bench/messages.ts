import type { Content } from './trial.js';

/*
 * What is sent and how it is checked.
 *
 *   0          4        8                      size - 1
 *   | sequence | last   | filling ...          | sequence & 255 |
 *
 * `last` marks the last message of a batch. The receiver reads all three fields of every
 * message into a running sum that depends on their order, and acknowledges a batch with
 * its count and sum. The sender compares both with its own, so a message that is lost,
 * doubled, out of order or stale makes the trial an error instead of a figure.
 */

/** The shortest message that holds the fields above. */
export const minSize = 16;

const sequenceDigits = 8;

/** What V8 makes of a {@link News} without changes, and of each change. */
const newsBytes = 64;
const changeBytes = 42;

/** What the receiver has seen so far. */
export interface Ack {
  readonly count: number;
  readonly sum: number;
}

/** A value of ten fields, about 150 bytes packed: what services send each other. */
export interface Order {
  id: number;
  last: boolean;
  customer: string;
  email: string;
  total: number;
  paid: boolean;
  tags: string[];
  placed: number;
  note: null;
  address: { city: string; code: number };
}

/**
 * What the peers of a bus tell each other: an object of some fields, with a string if it is long;
 * of a list, half of it is small objects.
 */
export interface News {
  id: number;
  last: boolean;
  key: string;
  changes?: Change[];
  text?: string;
  code: number;
}

interface Change {
  field: string;
  from: number;
  to: string;
}

class Tally implements Ack {
  count = 0;
  sum = 0;

  add(sequence: number, lastByte: number): void {
    this.count = (this.count + 1) | 0;
    this.sum = (Math.imul(this.sum, 31) + sequence + lastByte) | 0;
  }
}

/** The sender's side: makes messages and checks acknowledgements. */
export class Outgoing {
  readonly #tally = new Tally();
  readonly #buffer: Buffer;
  readonly #words: Int32Array;
  readonly #text: string;
  /** What fills a {@link News} up to its length. */
  readonly #news: { count: number; text: string };
  #sequence = 0;

  constructor(
    readonly size: number,
    content: Content = 'fields',
  ) {
    if (size < minSize) throw new RangeError(`size must be at least ${minSize}, got ${size}`);
    // Not from the pool: postMessage would clone the whole pool with it.
    this.#buffer = Buffer.from(new ArrayBuffer(size)).fill('.');
    this.#words = new Int32Array(this.#buffer.buffer, 0, 2);
    this.#text = '.'.repeat(size - sequenceDigits - 2);
    const rest = Math.max(0, size - newsBytes);
    const count = content === 'list' ? Math.floor(rest / 2 / changeBytes) : 0;
    this.#news = { count, text: '.'.repeat(rest - count * changeBytes) };
  }

  /** The next message, in a buffer that the next call overwrites. */
  next(last: boolean): Buffer {
    const sequence = this.#advance();
    this.#words[0] = sequence;
    this.#words[1] = last ? 1 : 0;
    this.#buffer[this.size - 1] = sequence;
    return this.#buffer;
  }

  /** Writes the next message into the transport's own memory. */
  fill(target: Buffer, offset: number, last: boolean): void {
    const sequence = this.#advance();
    target.writeInt32LE(sequence, offset);
    target.writeInt32LE(last ? 1 : 0, offset + 4);
    target[offset + this.size - 1] = sequence;
  }

  /** The next message as a string of `size` characters, for transports that take no bytes. */
  nextText(last: boolean): string {
    const sequence = this.#advance();
    const digits = (sequence >>> 0).toString(16).padStart(sequenceDigits, '0');
    return digits + (last ? '1' : '0') + this.#text + digits.at(-1)!;
  }

  /** The next message as a structured value; `size` does not count for it. */
  nextOrder(last: boolean): Order {
    const id = this.#advance();
    return {
      id,
      last,
      customer: 'Margarethe Lindqvist',
      email: 'm.lindqvist@example.com',
      total: 99.95,
      paid: true,
      tags: ['new', 'express'],
      placed: 1_700_000_000_000,
      note: null,
      address: { city: 'Berlin', code: id & 255 },
    };
  }

  /** The next message as a structured value that V8 serializes to about `size` bytes. */
  nextNews(last: boolean): News {
    const id = this.#advance();
    const key = 'user:margarethe.lindqvist:07';
    const { count, text } = this.#news;
    if (text === '') return { id, last, key, code: id & 255 };
    if (count === 0) return { id, last, key, text, code: id & 255 };
    const changes: Change[] = [];
    for (let i = 0; i < count; i++) changes.push({ field: 'street', from: id + i, to: 'Linden 7' });
    return { id, last, key, changes, text, code: id & 255 };
  }

  /** @throws {Error} where the receiver has not seen what was sent */
  check(ack: Ack): void {
    const { count, sum } = this.#tally;
    if (ack.count === count && ack.sum === sum) return;
    throw new Error(
      `sent ${count} messages with sum ${sum}, acknowledged ${ack.count} with ${ack.sum}`,
    );
  }

  #advance(): number {
    this.#sequence = (this.#sequence + 1) | 0;
    this.#tally.add(this.#sequence, this.#sequence & 255);
    return this.#sequence;
  }
}

/** The receiver's side. */
export class Incoming {
  readonly #tally = new Tally();
  #bytes: Uint8Array = Buffer.alloc(0);
  #words: Int32Array = new Int32Array(0);

  get ack(): Ack {
    return this.#tally;
  }

  /**
   * Reads one message from anywhere.
   *
   * @returns whether it is the last of its batch: acknowledge it
   */
  accept(bytes: Uint8Array, offset: number, length: number): boolean {
    this.#tally.add(readWord(bytes, offset), bytes[offset + length - 1]!);
    return bytes[offset + 4] !== 0;
  }

  /**
   * The same for messages at multiples of four within memory that stays the same, which
   * a view of words then serves: what a program that reads numbers would do.
   */
  acceptInPlace(bytes: Uint8Array, offset: number, length: number): boolean {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
    }
    this.#tally.add(this.#words[offset >> 2]!, bytes[offset + length - 1]!);
    return this.#words[(offset >> 2) + 1] !== 0;
  }

  /** Reads one message made by {@link Outgoing.nextOrder}. */
  acceptOrder(order: Order): boolean {
    this.#tally.add(order.id, order.address.code);
    return order.last;
  }

  /** Reads one message made by {@link Outgoing.nextNews}. */
  acceptNews({ id, last, changes, text, code }: News): boolean {
    const isWhole =
      (changes === undefined || changes.at(-1)!.from === id + changes.length - 1) &&
      (text === undefined || text.endsWith('.'));
    this.#tally.add(id, isWhole ? code : -1);
    return last;
  }

  /** Reads one message made by {@link Outgoing.nextText}. */
  acceptText(text: string): boolean {
    const sequence = Number.parseInt(text.slice(0, sequenceDigits), 16) | 0;
    const same = Number.parseInt(text.at(-1)!, 16) === (sequence & 15);
    this.#tally.add(sequence, same ? sequence & 255 : -1);
    return text[sequenceDigits] === '1';
  }
}

/** Bytes of an acknowledgement that travels as bytes. */
export const ackBytes = 8;

export function writeAck(target: Buffer, ack: Ack): Buffer {
  target.writeInt32LE(ack.count, 0);
  target.writeInt32LE(ack.sum, 4);
  return target;
}

export function readAck(source: Uint8Array, offset: number): Ack {
  return { count: readWord(source, offset), sum: readWord(source, offset + 4) };
}

/** Byte by byte: a view made for each message would cost more than a round trip in C++. */
function readWord(source: Uint8Array, offset: number): number {
  return (
    source[offset]! |
    (source[offset + 1]! << 8) |
    (source[offset + 2]! << 16) |
    (source[offset + 3]! << 24)
  );
}
