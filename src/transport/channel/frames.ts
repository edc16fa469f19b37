import { Assembly } from './assembly.js';

/*
 * Messages on a stream of bytes:
 *
 *   | length | payload, `length` bytes |      length: 32 bits, little-endian
 *
 * The lengths from `firstMark` on are not lengths but marks, without a payload.
 */

export const lengthBytes = 4;

export const Mark = {
  /** The end: a peer that goes without it was killed. */
  bye: 0xffff_ffff,
  /** The sender of this found what came from the other side impossible, and goes. */
  corrupt: 0xffff_fffe,
  /** The same for what breaks the rules above. */
  protocol: 0xffff_fffd,
} as const;
export type Mark = (typeof Mark)[keyof typeof Mark];

const firstMark = 0xffff_fff0;

/** What a frame that waits is taken to cost besides its bytes: empty ones are not free. */
const frameOverhead = 64;

export interface Frame {
  readonly bytes: Buffer;
  readonly offset: number;
  readonly length: number;
}

export function prefix(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(lengthBytes);
  bytes.writeUInt32LE(length);
  return bytes;
}

/**
 * Cuts a stream into frames, each byte copied a bounded number of times however small the chunks
 * are. A frame that lies whole in a chunk stays there. One that comes in parts is put together, see
 * {@link Assembly}: what was only announced costs nothing.
 */
export class FrameReader {
  /** The frames that are whole, from `#first` on. */
  #frames: Frame[] = [];
  #first = 0;
  #held = 0;
  readonly #longest: number;
  readonly #prefix = Buffer.alloc(lengthBytes);
  #prefixLength = 0;
  readonly #assembly = new Assembly();
  #mark: number | undefined;
  #tooLong: number | undefined;

  /** @param longest bytes of a payload */
  constructor(longest: number) {
    this.#longest = longest;
  }

  /** Frames that are whole. */
  get count(): number {
    return this.#frames.length - this.#first;
  }

  /** Bytes of frames that are whole and wait. */
  get held(): number {
    return this.#held;
  }

  /** Bytes that have come of a frame that is not whole. */
  get arrived(): number {
    return this.#assembly.arrived;
  }

  /** A frame has begun to come, and is not whole. */
  get isPartial(): boolean {
    return this.#assembly.active;
  }

  /** The mark that ended the stream, if one did; may be one that means nothing. */
  get mark(): number | undefined {
    return this.#mark;
  }

  shift(): Frame | undefined {
    const frame = this.#frames[this.#first];
    if (!frame) return undefined;
    this.#frames[this.#first++] = undefined!; // its chunk can go
    this.#held -= frame.length + frameOverhead;
    if (this.#first === this.#frames.length) {
      this.#frames = [];
      this.#first = 0;
    }
    return frame;
  }

  /** Drops all frames. */
  clear(): void {
    this.#frames = [];
    this.#first = this.#held = 0;
    this.#assembly.clear();
  }

  /**
   * Takes a chunk. Nothing is taken any more after a mark.
   *
   * @returns the length of a frame that is longer than any may be: nothing after it makes sense
   * @throws {ShmError} `ENOMEM`: there is no memory for a frame
   */
  take(chunk: Buffer): number | undefined {
    let at = 0;
    while (at < chunk.length && this.#mark === undefined) {
      if (!this.#assembly.active) {
        at = this.#takePrefix(chunk, at);
        if (this.#tooLong !== undefined) return this.#tooLong;
      } else {
        at = this.#takePart(chunk, at);
      }
    }
    return undefined;
  }

  #takePrefix(chunk: Buffer, at: number): number {
    let length: number;
    if (this.#prefixLength === 0 && chunk.length - at >= lengthBytes) {
      length = chunk.readUInt32LE(at);
      at += lengthBytes;
    } else {
      while (at < chunk.length && this.#prefixLength < lengthBytes) {
        this.#prefix[this.#prefixLength++] = chunk[at++]!;
      }
      if (this.#prefixLength < lengthBytes) return at;
      this.#prefixLength = 0;
      length = this.#prefix.readUInt32LE(0);
    }
    if (length >= firstMark) {
      this.#mark = length;
    } else if (length > this.#longest) {
      this.#tooLong = length;
    } else if (length <= chunk.length - at) {
      this.#push({ bytes: chunk, offset: at, length });
      at += length;
    } else {
      this.#assembly.begin(length);
    }
    return at;
  }

  #takePart(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#assembly.missing);
    const whole = this.#assembly.add(chunk, at, end);
    if (whole) this.#push({ bytes: whole, offset: 0, length: whole.length });
    return end;
  }

  #push(frame: Frame): void {
    this.#frames.push(frame);
    this.#held += frame.length + frameOverhead;
  }
}
