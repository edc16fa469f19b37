import { outOfRange } from '../../errors.js';
import { aDirectory, checkedLater, type Rule } from '../../native/arguments.js';
import { aCodec } from '../codec/codec.js';
import type { CodecOption } from '../codec/types.js';
import type { ListenerScope } from '../ring/listener-scope.js';
import { aCapacity, aTimeout, aWaitStrategy } from '../ring/option-rules.js';
import { checkTimeout, type WaitStrategy } from '../ring/wait-strategy.js';

/** How an end of a channel codes its messages and waits for them. */
export interface ChannelOptions<T> {
  /** Turns values into bytes and back; the same at both ends. @default 'structured' */
  codec?: CodecOption<T>;
  /** How this end waits. @default 'park' */
  wait?: WaitStrategy;
  /**
   * Bytes that one value may take when it is encoded, up to 2 GiB; a longer one is `ERR_TOO_LARGE`
   * for its sender. What takes more than half the capacity travels in pieces, and the other end
   * puts it together in memory that grows with what has come. Give both ends the same: a peer that
   * sends more is `ERR_CORRUPT`, over a socket `ERR_PROTOCOL`. @default 256 MiB
   */
  maxMessage?: number;
  /**
   * Milliseconds that {@link Channel.close}, and the end of the process, wait for the peer to take
   * what is left of a long message. @default 5000
   */
  closeTimeout?: number;
}

/** How {@link Channel.create} makes a channel: besides, what its memory is. */
export interface ChannelCreateOptions<T> extends ChannelOptions<T> {
  /** Bytes each direction holds: a power of two from 4 KiB to 1 GiB. @default 1 MiB */
  capacity?: number;
  /** Directory of the region. @default the per-user region directory */
  directory?: string;
}

export const channelRules = {
  codec: aCodec,
  wait: aWaitStrategy,
  maxMessage: checkedLater,
  closeTimeout: aTimeout,
} satisfies Record<keyof ChannelOptions<unknown>, Rule>;

export const createRules = {
  ...channelRules,
  capacity: aCapacity,
  directory: aDirectory,
} satisfies Record<keyof ChannelCreateOptions<unknown>, Rule>;

/** How the other end finds a channel: plain data, as a ring's handle. */
export interface ChannelHandle {
  /** The region's file. */
  readonly path: string;
  /** Bytes that each direction holds. */
  readonly capacity: number;
}

/** The events of a {@link Channel}, with what their listeners are given. */
export interface ChannelEvents<T> {
  /** In the order they were sent; while nobody listens, they wait. */
  message: [value: T];
  /** There is room again, after `send` said false. */
  drain: [];
  /**
   * The peer closed, or its process or thread ended with code 0, and all it had sent was
   * delivered.
   */
  end: [];
  /** This end is closed. */
  close: [];
  /**
   * The peer died (`ERR_PEER_DIED`), after all it had sent was delivered; or gave up in the middle
   * of a long message (`ERR_PEER_CLOSED`); or the ring is corrupt (`ERR_CORRUPT`); `close`
   * follows. Where no doorbell can be made for lack of file descriptors or memory, the errno name:
   * then the channel goes on, slowly, until there is one; without a listener for `error` that is a
   * warning.
   */
  error: [error: Error];
}

/** Bytes that each direction holds where nobody asks for anything. */
export const defaultCapacity = 1024 * 1024;

/** What a channel takes, checked. */
export interface ChannelLimits {
  readonly maxMessage: number;
  readonly closeTimeout: number;
}

const defaultMaxMessage = 256 * 1024 * 1024;
/** Lengths within an encoded value take 32 bits. */
const mostMaxMessage = 2 ** 31;
const defaultCloseTimeout = 5000;

/** @throws {ShmError} `ERR_OUT_OF_RANGE` */
export function channelLimits(
  operation: string,
  options: Pick<ChannelOptions<never>, 'maxMessage' | 'closeTimeout'>,
): ChannelLimits {
  const { maxMessage = defaultMaxMessage, closeTimeout = defaultCloseTimeout } = options;
  if (!Number.isInteger(maxMessage) || maxMessage < 1 || maxMessage > mostMaxMessage) {
    const bounds = `a whole number from 1 to ${mostMaxMessage}`;
    throw outOfRange(operation, 'maxMessage', bounds, maxMessage);
  }
  checkTimeout(operation, closeTimeout);
  return { maxMessage, closeTimeout };
}

export const defaultLimits = channelLimits('channel', {});

/** How a channel came about. */
export interface ChannelOrigin {
  readonly limits?: ChannelLimits;
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
