import { ShmError } from '../../../errors.js';
import { takeSpare } from '../spare.js';

/** For what does not fit where it should go. One for the thread: its content is copied at once. */
let scratch = Buffer.allocUnsafeSlow(64 * 1024);

/** A larger one is made for one message and not kept. */
const maxScratch = 1024 * 1024;

/** Room for at least `least` bytes; not `taken`, in which something lies already. */
export function scratchRoom(least = 0, taken?: Buffer): Buffer {
  if (least <= scratch.length && scratch !== taken) return scratch;
  let size = 2 * scratch.length;
  while (size < least) size *= 2;
  if (size > maxScratch) return takeSpare(size);
  scratch = Buffer.allocUnsafeSlow(size);
  return scratch;
}

/** Whether bytes lie where the next message may be written. */
export function isScratch({ buffer }: Uint8Array): boolean {
  return buffer === scratch.buffer;
}

/** Tag and the longest number. */
export const leastBytes = 9;

export const nowhere = Buffer.alloc(0);

/**
 * Where a message is being written: in the room that was given, and on elsewhere where that ends
 * or is taken away.
 */
export class MessageRoom {
  protected bytes: Buffer = nowhere;
  protected view: DataView = new DataView(new ArrayBuffer(0));
  /** Where the message begins, and where its room ends. */
  protected start = 0;
  protected end = 0;
  readonly #limit: number;

  /** @param limit bytes of a message; a longer one is given up */
  constructor(limit = Number.POSITIVE_INFINITY) {
    this.#limit = limit;
  }

  /**
   * While an accessor runs: the room that was given is needed for something else.
   * What lies there moves away, and the walk goes on as before.
   */
  vacate(target: Buffer): void {
    if (this.bytes !== target) return;
    // The positions stay as they are: those that wait for the accessor know them.
    const room = Buffer.allocUnsafeSlow(this.end);
    target.copy(room, this.start, this.start, this.end);
    this.goTo(room);
  }

  protected goTo(bytes: Buffer): void {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Goes on where there is room for `more` bytes. @returns the position there of what was `at` */
  protected grow(at: number, more: number): number {
    const written = at - this.start;
    if (written + more > this.#limit) {
      this.bytes = nowhere; // which may be large
      const detail = `expected at most ${this.#limit} encoded bytes, got ${written + more} or more`;
      throw new ShmError('ERR_TOO_LARGE', detail, 'channel.send');
    }
    const room = scratchRoom(written + more, this.bytes);
    this.bytes.copy(room, 0, this.start, at);
    this.goTo(room);
    this.start = 0;
    this.end = room.length;
    return written;
  }

  protected number(value: number, at: number): number {
    if (at + 4 > this.end) at = this.grow(at, 4);
    this.view.setUint32(at, value, true);
    return at + 4;
  }

  protected head(tag: number, count: number, at: number): number {
    this.bytes[at] = tag;
    this.view.setUint32(at + 1, count, true);
    return at + 5;
  }
}
