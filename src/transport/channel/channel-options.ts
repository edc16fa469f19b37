import { aDirectory, type Rule } from '../../native/arguments.js';
import { aCodec } from '../codec/codec.js';
import type { CodecOption } from '../codec/types.js';
import type { ListenerScope } from '../ring/listener-scope.js';
import { aCapacity, aWaitStrategy } from '../ring/option-rules.js';
import type { WaitStrategy } from '../ring/wait-strategy.js';

export interface ChannelOptions<T> {
  /** Turns values into bytes and back; the same at both ends. @default 'structured' */
  codec?: CodecOption<T>;
  /** How this end waits. @default 'park' */
  wait?: WaitStrategy;
}

export interface ChannelCreateOptions<T> extends ChannelOptions<T> {
  /** Bytes each direction holds: a power of two from 4 KiB to 1 GiB. @default 1 MiB */
  capacity?: number;
  /** Directory of the region. @default the per-user region directory */
  directory?: string;
}

export const channelRules = {
  codec: aCodec,
  wait: aWaitStrategy,
} satisfies Record<keyof ChannelOptions<unknown>, Rule>;

export const createRules = {
  ...channelRules,
  capacity: aCapacity,
  directory: aDirectory,
} satisfies Record<keyof ChannelCreateOptions<unknown>, Rule>;

/** How the other end finds a channel: plain data, as a ring's handle. */
export interface ChannelHandle {
  readonly path: string;
  readonly capacity: number;
}

export interface ChannelEvents<T> {
  message: [value: T];
  drain: [];
  end: [];
  close: [];
  error: [error: Error];
}

/** Bytes that each direction holds where nobody asks for anything. */
export const defaultCapacity = 1024 * 1024;

/** How a channel came about. */
export interface ChannelOrigin {
  /** For the other end; absent where that is taken. */
  readonly handle?: ChannelHandle;
  readonly fallbackReason?: string | undefined;
  /** The peer sees `end` where this process ends with code 0 without closing. @default true */
  readonly endsAtExit?: boolean;
  /** Where its listeners run. @default the context in which it is made */
  readonly scope?: ListenerScope;
  /** Called once, when it has closed, before 'close'. A listener could be removed or counted. */
  readonly closed?: () => void;
}
