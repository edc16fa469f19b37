import { aDirectory, anAbortSignal, checkedLater, type Rule } from '../../native/arguments.js';
import { aCodec } from '../codec/codec.js';
import type { CodecOption } from '../codec/types.js';
import { aCapacity, aTimeout, aWaitStrategy } from '../ring/option-rules.js';
import type { WaitStrategy } from '../ring/wait-strategy.js';

/** How {@link Bus.join} joins; all is optional. */
export interface BusOptions<T> {
  /** This peer's id: no other live one of the bus may have it. @default a random one */
  id?: string;
  /** Where the peers find each other. @default the per-user region directory */
  directory?: string;
  /** Turns values into bytes and back; the same at all peers. @default 'structured' */
  codec?: CodecOption<T>;
  /**
   * Bytes each direction between two peers holds, once they talk: a power of two from 4 KiB
   * to 1 GiB. Of two peers' capacities the smaller counts. @default 1 MiB
   */
  capacity?: number;
  /**
   * Bytes that one value may take when it is encoded, up to 2 GiB, whatever the capacity: what takes
   * more than half of that travels in pieces. The same at all peers. @default 256 MiB
   */
  maxMessage?: number;
  /** How this peer waits. @default 'park' */
  wait?: WaitStrategy;
  /** Milliseconds that `Bus.request` waits for an answer. @default no limit */
  requestTimeout?: number;
  /**
   * Milliseconds that `Bus.close` waits for peers that do not answer, for example because they
   * are stopped. What was accepted for such a peer and waits for its link, or for room, is lost then;
   * Infinity waits for as long as the peer is there. @default 5000
   */
  closeTimeout?: number;
}

export const busRules = {
  id: checkedLater,
  directory: aDirectory,
  codec: aCodec,
  capacity: aCapacity,
  wait: aWaitStrategy,
  maxMessage: checkedLater,
  requestTimeout: aTimeout,
  closeTimeout: aTimeout,
} satisfies Record<keyof BusOptions<unknown>, Rule>;

/** How messages reach a peer: through shared memory, or over a socket where none can be shared. */
export type Route = 'memory' | 'socket';

/** The events of a {@link Bus}, with what their listeners are given. */
export interface BusEvents<T> {
  /** A peer sent a value. While nobody listens, messages wait. */
  message: [value: T, from: string];
  /** A peer has come. */
  join: [id: string];
  /** A peer has left, and all that it had sent was delivered. */
  leave: [id: string, reason: LeaveReason];
  /** There is room again for a peer, after `send` said false. */
  drain: [id: string];
  /** Messages to a peer go over a socket from now on, and why; or through memory again. */
  route: [id: string, route: Route, reason?: string];
  /** A link broke (`ERR_CORRUPT`) or cannot be made (the errno name). The bus goes on. */
  error: [error: Error];
  /** This peer has left. */
  close: [];
}

/** One other peer, as {@link Bus.stats} has it. */
export interface PeerStats {
  /** Its name on the bus. */
  readonly id: string;
  /** How messages reach it. */
  readonly route: Route;
  /** Why messages to it go over a socket; undefined where they do not. */
  readonly fallbackReason: string | undefined;
  /** Whether there is a link yet: it is made with the first message. */
  readonly linked: boolean;
}

/** What {@link Bus.stats} returns; a snapshot. */
export interface BusStats {
  /** The other peers. */
  readonly peers: readonly PeerStats[];
  /** Requests of this peer that have no answer yet. */
  readonly pendingRequests: number;
  /** Messages that came and wait for the first listener. */
  readonly heldMessages: number;
}

/** Why a peer left: it closed its bus; or it was killed, or ended without closing. */
export type LeaveReason = 'closed' | 'died';

/** How long {@link Bus.request} waits. */
export interface RequestOptions {
  /**
   * Milliseconds to wait for the answer. A request that is given up before there was room for it is
   * never sent. @default the bus's `requestTimeout`
   */
  timeout?: number;
  /** Gives up with the signal's reason; a handler that runs already runs on. */
  signal?: AbortSignal;
}

export const requestRules = {
  timeout: aTimeout,
  signal: anAbortSignal,
} satisfies Record<keyof RequestOptions, Rule>;

/** Answers a request; see {@link Bus.onRequest}. */
export type RequestHandler<T> = (value: T, from: string) => T | Promise<T>;
