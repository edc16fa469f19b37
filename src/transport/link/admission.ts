import type { Socket } from 'node:net';
import { outOfRange, ShmError } from '../../errors.js';
import { checkedLater, type Rule } from '../../native/arguments.js';
import { aTimeout } from '../ring/option-rules.js';

/** What handshakes may take of a listener before their peers have proved anything. */
export interface HandshakeLimits {
  /** Handshakes under way at one time. @default 256 */
  pending?: number;
  /**
   * Bytes of the dialers' memory that handshakes under way may have mapped. One alone is
   * always let through. @default 256 MiB
   */
  bytes?: number;
  /** Milliseconds a peer has for its handshake. @default 5000 */
  timeout?: number;
}

/** Why a listener gave up a peer. */
export type DropReason = 'connections' | 'pending' | 'bytes';

export interface PendingHandshake {
  readonly socket: Socket;
  readonly controller: AbortController;
  /** Bytes of the dialer's memory that are mapped for it. */
  bytes: number;
}

const defaultPending = 256;
const defaultBytes = 256 * 1024 * 1024;

/** @throws {ShmError} `ERR_OUT_OF_RANGE` */
export function checkCount(
  operation: string,
  name: string,
  value: number | undefined,
  least = 1,
): void {
  if (value === undefined || value === Number.POSITIVE_INFINITY) return;
  if (Number.isSafeInteger(value) && value >= least) return;
  throw outOfRange(operation, name, `an integer of at least ${least}`, value);
}

export const aCount: Rule = (operation, name, value) =>
  checkCount(operation, name, value as number, 0);

export const handshakeRules = {
  pending: checkedLater,
  bytes: checkedLater,
  timeout: aTimeout,
} satisfies Record<keyof HandshakeLimits, Rule>;

/**
 * The handshakes that a listener has under way, within bounds. Where a bound is reached, the
 * oldest gives way: an honest peer needs milliseconds, and one that is given up all the same
 * tries again, so however many strangers sit there in silence, they keep nobody out.
 */
export class Admission {
  readonly #pending: number;
  readonly #bytes: number;
  readonly #address: () => string;
  readonly #dropped: (socket: Socket, reason: DropReason) => void;
  readonly #handshakes = new Set<PendingHandshake>();
  /** Sockets of refused peers, that are given a moment to read why. */
  readonly #leaving = new Set<Socket>();
  #held = 0;

  /** @param dropped called for each handshake that had to give way */
  constructor(
    { pending = defaultPending, bytes = defaultBytes }: HandshakeLimits,
    address: () => string,
    dropped: (socket: Socket, reason: DropReason) => void,
  ) {
    this.#pending = pending;
    this.#bytes = bytes;
    this.#address = address;
    this.#dropped = dropped;
  }

  /** Handshakes under way. */
  get size(): number {
    return this.#handshakes.size;
  }

  /** @param most connections that may still be made, at least 1 */
  admit(socket: Socket, most: number): PendingHandshake {
    while (this.#handshakes.size >= most) this.#giveUp(this.#oldest()!, 'connections');
    while (this.#handshakes.size >= this.#pending) this.#giveUp(this.#oldest()!, 'pending');
    const handshake = { socket, controller: new AbortController(), bytes: 0 };
    this.#handshakes.add(handshake);
    return handshake;
  }

  /**
   * Before bytes of a dialer's memory are mapped.
   *
   * @throws its reason, where the handshake has been given up meanwhile
   */
  hold(handshake: PendingHandshake, bytes: number): void {
    handshake.controller.signal.throwIfAborted(); // nobody would take the bytes off again
    while (this.#held + bytes > this.#bytes) {
      const holder = this.#oldest(({ bytes }) => bytes > 0);
      if (!holder || holder === handshake) break;
      this.#giveUp(holder, 'bytes');
    }
    handshake.bytes += bytes;
    this.#held += bytes;
  }

  /** They could not be mapped: what a stranger only tells of must not crowd out anybody. */
  release(handshake: PendingHandshake, bytes: number): void {
    if (!this.#handshakes.has(handshake)) return;
    handshake.bytes -= bytes;
    this.#held -= bytes;
  }

  /** It is over, in whichever way. */
  done(handshake: PendingHandshake): void {
    if (!this.#handshakes.delete(handshake)) return;
    this.#held -= handshake.bytes;
  }

  /** A refused peer reads why, as long as there are not too many of them. */
  linger(socket: Socket): void {
    if (socket.closed) return;
    this.#leaving.add(socket);
    socket.once('close', () => this.#leaving.delete(socket));
    if (this.#leaving.size <= this.#pending) return;
    const [first] = this.#leaving;
    this.#leaving.delete(first!);
    first!.destroy();
  }

  abortAll(error: ShmError): void {
    for (const { controller } of this.#handshakes) controller.abort(error);
  }

  #oldest(
    fits: (handshake: PendingHandshake) => boolean = () => true,
  ): PendingHandshake | undefined {
    for (const handshake of this.#handshakes) if (fits(handshake)) return handshake;
    return undefined;
  }

  #giveUp(handshake: PendingHandshake, reason: DropReason): void {
    this.done(handshake);
    const detail = `too many handshakes are under way (${reason}); try again`;
    handshake.controller.abort(new ShmError('EAGAIN', detail, 'accept', this.#address()));
    this.#dropped(handshake.socket, reason);
  }
}
