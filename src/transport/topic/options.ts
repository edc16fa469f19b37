import { invalidArgument } from '../../errors.js';
import { aBoolean, aDirectory, checkedLater, type Rule } from '../../native/arguments.js';
import type { FilePath } from '../../native/paths.js';
import { aCodec } from '../codec/codec.js';
import type { CodecOption } from '../codec/types.js';
import { aTimeout, aWaitStrategy } from '../ring/option-rules.js';
import type { WaitStrategy } from '../ring/wait-strategy.js';
import { aTopicCapacity, maxNameBytes } from './layout.js';
import type { From, Gap } from './reader.js';

/** Of both ends of a topic. */
export interface TopicOptions<T> {
  /**
   * Turns values into bytes and back; the same for the publisher and all readers. Each value is
   * written so that it can be read by itself. @default 'structured'
   */
  codec?: CodecOption<T>;
  /** Directory of a topic that is opened by its name. @default the per-user region directory */
  directory?: string;
}

/** Of {@link Topic.create}. */
export interface TopicCreateOptions<T> extends TopicOptions<T> {
  /**
   * Bytes of records it holds, headers of 16 bytes included: a power of two from 4 KiB to 512 MiB.
   * A value takes a quarter of it at most. @default 1 MiB, or what it was where it goes on
   */
  capacity?: number;
  /** An ordinary file to keep the topic in, or in which one is kept that goes on. */
  path?: FilePath;
  /**
   * Milliseconds for which the publisher waits for a reader that asked for it and does not move,
   * e.g. in a process that was stopped. After that the reader misses records as any other does.
   * Infinity: no limit. @default 5000
   */
  readerTimeout?: number;
}

/** Of {@link Topic.subscribe}. */
export interface SubscribeOptions {
  /**
   * `'now'`: what is published from here on. `'oldest'`: the oldest record that is still there. A
   * position: as another subscription of the same topic had it, after the last record it was given.
   * @default 'now'
   */
  from?: From;
  /**
   * `'skip'`: the publisher does not care about this reader; one that falls behind by more than the
   * capacity misses records, and gets a `gap`. `'wait'`: the publisher's `publish` says false rather
   * than overwrite what this reader has not read. @default 'skip'
   */
  whenBehind?: 'skip' | 'wait';
  /** How it waits for records. @default 'park' */
  wait?: WaitStrategy;
  /** Stays open after `end`, for the publisher's successor. @default false */
  follow?: boolean;
}

/** How other threads and processes find a topic: plain data. */
export interface TopicHandle {
  /** Of the file that holds it. */
  readonly path: string;
}

/** `closed`: the publisher closed the topic. `died`: it was killed, or its process ended. */
export type EndReason = 'closed' | 'died';

/** What a {@link Subscription} emits. */
export interface SubscriptionEvents<T> {
  /** In the order they were published; while nobody listens, they wait in the topic. */
  message: [value: T];
  /** Records were overwritten before this reader got to them; the next message follows them. */
  gap: [gap: Gap];
  /** There is no publisher any more, and all it had published was delivered. */
  end: [reason: EndReason];
  /** This subscription is closed. */
  close: [];
  /**
   * What stands in the topic cannot be read (`ERR_CORRUPT`, `ERR_TRUNCATED`); `close` follows. Or no
   * doorbell can be made (an errno name): it goes on, slowly, until there is one; without a listener
   * for `error` that is a warning.
   */
  error: [error: Error];
}

const aPosition: Rule = (operation, name, value) => {
  if (value === 'now' || value === 'oldest' || typeof value === 'bigint') return;
  throw invalidArgument(operation, name, "'now', 'oldest' or a position", value);
};

const behaviours: readonly unknown[] = ['skip', 'wait'] satisfies SubscribeOptions['whenBehind'][];

const aBehaviour: Rule = (operation, name, value) => {
  if (!behaviours.includes(value))
    throw invalidArgument(operation, name, "'skip' or 'wait'", value);
};

export const subscribeRules = {
  from: aPosition,
  whenBehind: aBehaviour,
  wait: aWaitStrategy,
  follow: aBoolean,
} satisfies Record<keyof SubscribeOptions, Rule>;

export const topicRules = {
  codec: aCodec,
  directory: aDirectory,
} satisfies Record<keyof TopicOptions<unknown>, Rule>;

export const createRules = {
  ...topicRules,
  capacity: aTopicCapacity,
  path: checkedLater,
  readerTimeout: aTimeout,
} satisfies Record<keyof TopicCreateOptions<unknown>, Rule>;

/** @throws {ShmError} `ERR_INVALID_ARG` */
export function checkName(operation: string, name: unknown): asserts name is string {
  const isName =
    typeof name === 'string' &&
    name !== '' &&
    !/[/\\\0]/.test(name) &&
    Buffer.byteLength(name) <= maxNameBytes;
  if (isName) return;
  const expected = `a name of at most ${maxNameBytes} bytes without slashes`;
  throw invalidArgument(operation, 'name', expected, name);
}
