import type { EndReason } from './options.js';
import type { TopicReader } from './reader.js';
import type { ReaderSlot } from './reader-slot.js';

/** Whether anything may come yet: the publisher's end, and its successor's coming. */
export class EndWatch {
  readonly #slot: ReaderSlot;
  readonly #reader: TopicReader;
  readonly #follow: boolean;
  /** Why nothing comes any more. */
  reason: EndReason | undefined;
  /** The publisher whose end was seen. */
  #instance = -1;

  /** @param follow waits for a successor */
  constructor(slot: ReaderSlot, reader: TopicReader, follow: boolean) {
    this.#slot = slot;
    this.#reader = reader;
    this.#follow = follow;
  }

  /**
   * Whether there is a record, or an end that was not seen. The state is loaded before the topic is
   * looked at again: it is stored last.
   */
  readonly ready = (): boolean => {
    if (this.#reader.isBehind) return true;
    const { instance } = this.#slot;
    if (instance === 0 || instance === this.#instance) return false;
    return this.#slot.publisherLeft() && !this.#reader.isBehind;
  };

  /** Whether the publisher is gone, all is read, and no successor is waited for. */
  hasEnded(): boolean {
    const { instance } = this.#slot;
    if (this.reason !== undefined && instance === this.#instance) return !this.#follow;
    this.reason = undefined;
    if (instance === 0 || !this.#slot.publisherLeft() || this.#reader.isBehind) return false;
    this.#endAs('closed', instance);
    return !this.#follow;
  }

  /** Whether this look saw an end. */
  isNew(): boolean {
    const before = this.#instance;
    this.hasEnded();
    return this.#instance !== before;
  }

  /** The publisher was killed. False: that is known. */
  died(): boolean {
    const { instance } = this.#slot;
    if (instance === this.#instance) return false;
    this.#endAs('died', instance);
    return true;
  }

  #endAs(reason: EndReason, instance: number): void {
    this.reason = reason;
    this.#instance = instance;
  }
}
