import { invalidArgument, outOfRange } from '../../errors.js';
import type { RangeCodec } from '../codec/types.js';
import { recordHeaderBytes } from './layout.js';
import { none, type TopicReader } from './reader.js';

/** Makes values of records that may be overwritten meanwhile. */
export class ValueReader<T> {
  readonly #reader: TopicReader;
  readonly #codec: RangeCodec<T>;
  readonly #copies: boolean;
  #copy: Buffer = Buffer.alloc(0);

  constructor(of: {
    readonly reader: TopicReader;
    readonly codec: RangeCodec<T>;
    /** A user's codec, which must see only what counts. */
    readonly copies: boolean;
  }) {
    this.#reader = of.reader;
    this.#codec = of.codec;
    this.#copies = of.copies;
  }

  /**
   * The record that `next` found. Built-in codecs read it where it lies, which takes no trust in the
   * bytes; a user's gets a copy that counts.
   *
   * @returns undefined: it was overwritten meanwhile
   */
  read(length: number): { readonly value: T } | undefined {
    const { records, offset } = this.#reader;
    if (this.#copies) {
      if (this.#copy.length < length) this.#copy = Buffer.allocUnsafeSlow(2 * length + 8);
      records.copy(this.#copy, 0, offset, offset + length);
      if (this.#reader.isLapped()) return undefined;
      return { value: this.#codec.decode(this.#copy, 0, length) };
    }
    try {
      const value = this.#codec.decode(records, offset, offset + length);
      return this.#reader.isLapped() ? undefined : { value };
    } catch (error) {
      if (this.#reader.isLapped()) return undefined;
      throw error;
    }
  }

  /** See {@link Subscription.drain}. @param goesOn asked before each record */
  drain(
    handler: (bytes: Buffer, offset: number, length: number) => unknown,
    limit: number,
    goesOn: () => boolean,
  ): number {
    if (typeof handler !== 'function') {
      throw invalidArgument('subscription.drain', 'handler', 'a function', handler);
    }
    if (typeof limit !== 'number' || !(limit >= 0)) {
      throw outOfRange('subscription.drain', 'limit', 'a number of at least 0', limit);
    }
    const reader = this.#reader;
    // A publisher that is as fast as this would keep it here for ever.
    const mostBytes = reader.records.length;
    let count = 0;
    for (let bytes = 0; count < limit && bytes < mostBytes; bytes += recordHeaderBytes) {
      const length = reader.next();
      if (length === none || !goesOn()) break;
      const isLast = handler(reader.records, reader.offset, length) === false;
      if (reader.isLapped()) {
        reader.lap();
        throw reader.overrun();
      }
      reader.advance();
      bytes += length;
      count++;
      if (isLast) break;
    }
    return count;
  }
}
