import type { RangeCodec } from '../codec/types.js';
import type { TopicReader } from './reader.js';
import type { ReaderSlot } from './reader-slot.js';

/** What a subscription is made of. */
export interface SubscriptionParts<T> {
  readonly slot: ReaderSlot;
  readonly reader: TopicReader;
  readonly codec: RangeCodec<T>;
  readonly adapts: boolean;
  /** A user's codec, which must see only what counts. */
  readonly copies: boolean;
  readonly follow: boolean;
  /** Called when it closes. */
  readonly closed: () => void;
}
