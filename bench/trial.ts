import type { Cores } from './cores.js';

/** Where the receiver runs: in another process, or in another thread of this one. */
export type Place = 'process' | 'thread';

export type Kind = 'throughput' | 'round-trip';

/** What a structured value is made of, where that is asked for. */
export type Content = 'fields' | 'list';

/**
 * One measurement of one transport, in processes made for it. Plain data: it travels to
 * them as JSON.
 */
export interface Trial {
  /** A name in bench/transports/registry.ts. */
  readonly transport: string;
  readonly place: Place;
  readonly kind: Kind;
  /** Bytes of a message's payload. */
  readonly size: number;
  /** Of what is sent over a bus. */
  readonly content?: Content;
  /** Bytes of a ring's record area. */
  readonly capacity: number;
  /** Rings the messages are dealt out to. */
  readonly rings: number;
  /** How long to measure, warm-up apart. */
  readonly milliseconds: number;
  /** Absent: the scheduler decides. */
  readonly cores?: Cores;
  /** When to give up, in milliseconds since the epoch. */
  readonly deadline: number;
}

/** What a trial found out; every message in it was checked. */
export interface Outcome {
  /** Messages sent and acknowledged, warm-up included. */
  readonly messages: number;
  /** Messages per measured task; of round trips, trips per sample. */
  readonly batch: number;
  readonly messagesPerSecond?: number;
  /** Microseconds per round trip: median and 99th percentile of the samples. */
  readonly p50?: number;
  readonly p99?: number;
}
