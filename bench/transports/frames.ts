/** Before each message, its length. */
export const prefixBytes = 4;

/**
 * Buffers used in turn, so that none is allocated per message. The socket holds less than
 * its high-water mark when `write` may go on, hence one comes round only when it is free.
 */
export class Frames {
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

/** Of a message, what is looked at: its first fields, and its last byte. */
const headBytes = prefixBytes + 8;

/**
 * Cuts a stream of chunks into messages. One that lies whole within a chunk is passed on
 * where it is. Of one that straddles chunks only what is looked at is put together: to copy
 * the rest would measure the copying of the bench.
 */
export function messageReader(
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
      const taken = Math.min(wanted - held, chunk.length - at);
      if (held < headBytes) chunk.copy(partial, held, at, at + Math.min(taken, headBytes - held));
      held += taken;
      at += taken;
      partial[held - 1] = chunk[at - 1]!;
      if (held < prefixBytes || held < prefixBytes + partial.readInt32LE(0)) continue;
      onMessage(partial, prefixBytes, held - prefixBytes);
      held = 0;
    }
  };
}
