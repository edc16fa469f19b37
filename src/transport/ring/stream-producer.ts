import { RingWriter } from './ring-writer.js';

/*
 * The ring of a byte stream: the header, the waiting and the ownership of a ring of
 * records, but nothing between the bytes. What is written may go round the end, and may be
 * taken out in other pieces than it was put in.
 */

/**
 * The writing end. Owns `tail`; keeps a cached limit, as `Producer` does.
 *
 * A crash before the publish leaves nothing of the last write.
 */
export class StreamProducer extends RingWriter {
  /** Room for at least `wanted` bytes, or for a quarter of the ring where that is less. */
  hasRoom(wanted: number): boolean {
    const least = Math.min(wanted, this.size >> 2);
    if (this.room >= least) return true;
    this.refreshLimit('write', 1);
    return this.room >= least;
  }

  /**
   * Copies as many bytes in as there is room for, from `start` of the source on; seen by the
   * consumer after {@link publish}. Does not block or allocate.
   *
   * @returns how many; 0: the ring is full
   * @throws {ShmError} `ERR_CLOSED`; `ERR_CORRUPT`: the consumer's position is impossible
   */
  write(source: Uint8Array, start: number): number {
    const wanted = source.length - start;
    if (wanted > this.room) {
      this.roleHolder.checkUsable('write');
      this.refreshLimit('write', 1);
    }
    const count = Math.min(wanted, this.room);
    const index = this.tail & (this.size - 1);
    const first = Math.min(count, this.size - index);
    this.bytes.set(part(source, start, start + first), index);
    if (first < count) this.bytes.set(source.subarray(start + first, start + count), 0);
    this.tail = (this.tail + count) | 0;
    return count;
  }

  /** Shows the consumer what was written. @throws {ShmError} `ERR_TRUNCATED` */
  publish(): void {
    if (this.published === this.tail) return;
    this.count++;
    this.publishTail();
  }

  /** See {@link RoleHolder.close}. The consumer reads what was published before it sees the end. */
  close(orderly: boolean): void {
    this.roleHolder.close(orderly);
  }
}

/** Without a view of its own where it is the whole. */
function part(source: Uint8Array, start: number, end: number): Uint8Array {
  return start === 0 && end === source.length ? source : source.subarray(start, end);
}
