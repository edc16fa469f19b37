import { keepFreedHeap } from '../../native/heap.js';
import { RingReader } from './ring-reader.js';

/** The reading end of the ring of a byte stream; see stream-producer.ts. */
export class StreamConsumer extends RingReader {
  /** Bytes taken out that the producer has not been woken for. */
  #quiet = 0;
  #ended = false;

  /**
   * Takes out what there is, at most `limit` bytes. A producer that waits for room is woken
   * once half the ring has been taken out, or by {@link settle}, which has to be called
   * before anybody waits: to wake it for each piece would cost more than the copying.
   *
   * @returns a copy, yours to keep; null: there is nothing
   * @throws {ShmError} `ERR_CLOSED`; `ERR_CORRUPT`: the producer's position is impossible; `ERR_TRUNCATED`
   */
  read(limit: number): Buffer | null {
    const count = Math.min(this.#available(), limit);
    if (count === 0) return null;
    keepFreedHeap(count);
    const copy = Buffer.allocUnsafe(count);
    this.readInto(copy);
    return copy;
  }

  /** {@link read} into memory of the caller's, from its beginning. @returns bytes; 0: nothing */
  readInto(target: Uint8Array): number {
    const count = Math.min(this.#available(), target.length);
    if (count === 0) return 0;
    const index = this.head & (this.size - 1);
    const first = Math.min(count, this.size - index);
    target.set(this.bytes.subarray(index, index + first));
    if (first < count) target.set(this.bytes.subarray(0, count - first), first);
    this.roleHolder.checkMemory('read');
    this.head = (this.head + count) | 0;
    this.count++;
    // The waker's side of SYNC park comes now or in `settle`.
    this.releaseTo(this.head);
    this.#quiet += count;
    if (this.#quiet >= this.size >> 1) this.settle();
    return count;
  }

  /** Wakes a producer that waits for the room that was made. */
  settle(): void {
    if (this.#quiet === 0) return;
    this.#quiet = 0;
    this.roleHolder.wakePeer();
  }

  /** The producer ended and every byte has been read. */
  get ended(): boolean {
    // The state is loaded before the ring is looked at again: `ended` is stored last.
    if (!this.#ended && this.roleHolder.peerEnded() && this.#available() === 0) this.#ended = true;
    return this.#ended;
  }

  /** Whether there are bytes, or the end. */
  readonly ready = (): boolean => this.#available() > 0 || this.ended;

  close(orderly: boolean): void {
    this.roleHolder.close(orderly);
  }

  #available(): number {
    if (this.tail === this.head) {
      this.roleHolder.checkUsable('read');
      this.refreshTail(1);
    }
    return (this.tail - this.head) | 0;
  }
}
