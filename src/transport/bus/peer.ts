import { ShmError } from '../../errors.js';
import { delay, queueMicrotask } from '../../timers.js';
import type { Channel } from '../channel/channel.js';
import type { RangeCodec } from '../codec/types.js';
import { maxPayload } from '../ring/layout.js';
import type { Envelope } from './envelope.js';

/** Why a peer left: it closed its bus; or it was killed, or ended without closing. */
export type LeaveReason = 'closed' | 'died';

/** Milliseconds between two tries to reach a peer that is there. */
export const retryInterval = 100;

/** What a peer needs of its bus. */
export interface PeerCallbacks {
  /** Makes a codec that no channel uses. */
  codec(): RangeCodec<Envelope>;
  /** Makes a link to the peer. */
  connect(peer: Peer): Promise<Channel<Envelope>>;
  received(peer: Peer, envelope: Envelope): void;
  drained(peer: Peer): void;
  /** A link to it broke, though it is there. */
  failed(peer: Peer, error: Error): void;
  /** It has gone, and everything it had sent has been delivered. */
  left(peer: Peer, reason: LeaveReason): void;
}

interface Pending {
  envelope: Envelope;
  bytes: number;
}

/**
 * Another peer of the bus, as this one sees it: its presence, a connection that only tells
 * that it lives; and once somebody wrote, the link that messages go over, both ways.
 */
export class Peer {
  readonly id: string;
  readonly instance: string;
  /** The longest message: by the smaller of the two sides' capacities. */
  readonly maxLength: number;
  readonly #host: PeerCallbacks;
  readonly #capacity: number;
  /** Two, where both came to the bus at one moment and dialled each other. */
  readonly #presences = new Set<Channel<Envelope>>();
  readonly #channels = new Set<Channel<Envelope>>();
  /** The channel that this side sends over; absent until all that waited for it is sent. */
  #link: Channel<Envelope> | undefined;
  #linking: Promise<void> | undefined;
  readonly #pending: Pending[] = [];
  #pendingBytes = 0;
  #toldFull = false;
  #waiters: (() => void)[] = [];
  #flowing = false;
  #refed = true;
  #reason: LeaveReason | undefined;
  #gone = false;

  constructor(host: PeerCallbacks, id: string, instance: string, capacity: number) {
    this.#host = host;
    this.id = id;
    this.instance = instance;
    this.#capacity = capacity;
    this.maxLength = maxPayload(capacity);
  }

  /** Whether it can still be sent to. */
  get present(): boolean {
    return this.#reason === undefined && !this.#gone;
  }

  addPresence(presence: Channel<Envelope>): void {
    this.#presences.add(presence);
    this.#setRef(presence);
    let reason: LeaveReason = 'closed';
    presence.on('message', () => {}); // it says nothing; but so its end is seen
    presence.on('error', () => (reason = 'died'));
    presence.once('close', () => {
      this.#presences.delete(presence);
      if (this.#presences.size === 0) this.#leave(reason);
    });
  }

  /** Takes a link that either side has made. */
  addChannel(channel: Channel<Envelope>): void {
    this.#channels.add(channel);
    this.#setRef(channel);
    if (!this.#linking) this.#link ??= channel;
    channel.on('drain', () => this.#host.drained(this));
    channel.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ERR_PEER_DIED') this.#host.failed(this, error);
    });
    channel.once('close', () => {
      this.#channels.delete(channel);
      if (this.#link === channel) this.#link = undefined;
      this.#settle();
    });
    if (this.#flowing) this.#listen(channel);
  }

  /** From now on what comes is handed to the host. */
  flow(): void {
    if (this.#flowing) return;
    this.#flowing = true;
    for (const channel of this.#channels) this.#listen(channel);
  }

  setRef(refed: boolean): void {
    this.#refed = refed;
    for (const channel of [...this.#presences, ...this.#channels]) this.#setRef(channel);
  }

  /**
   * Sends, or keeps it until there is a link.
   *
   * @returns false: full, and it was not sent; the host hears of `drained`
   */
  send(envelope: Envelope): boolean {
    if (this.#link?.closed === false) return this.#link.send(envelope);
    this.#link = undefined; // it broke, and its 'close' is yet to come
    // Kept as it is now: the caller may change it afterwards.
    const bytes = Buffer.from(this.#host.codec().encode(envelope));
    if (bytes.length > this.maxLength) {
      const detail = `a message holds at most ${this.maxLength} bytes, got ${bytes.length}`;
      throw new ShmError('ERR_TOO_LARGE', detail, 'bus.send', this.id);
    }
    this.#linking ??= this.#makeLink();
    if (this.#pendingBytes + bytes.length > this.#capacity) {
      this.#toldFull = true;
      return false;
    }
    const copy = this.#host.codec().decode(bytes, 0, bytes.length);
    this.#pending.push({ envelope: copy, bytes: bytes.length });
    this.#pendingBytes += bytes.length;
    return true;
  }

  /** Resolves when `send` may succeed again, or never will. */
  async ready(): Promise<void> {
    if (this.#link) {
      await this.#link.ready().catch(() => {}); // closed: the next `send` says so
    } else if (this.#toldFull && this.present) {
      await new Promise<void>(resolve => this.#waiters.push(resolve));
    }
  }

  /** Sends what is kept, then says goodbye. */
  async close(): Promise<void> {
    if (this.present) await this.#linking;
    this.#gone = true;
    this.#wakeWaiters();
    await Promise.all([...this.#channels].map(channel => channel.close()));
    await Promise.all([...this.#presences].map(presence => presence.close()));
  }

  #listen(channel: Channel<Envelope>): void {
    channel.on('message', envelope => this.#host.received(this, envelope));
  }

  #setRef(channel: Channel<Envelope>): void {
    if (this.#refed) channel.ref();
    else channel.unref();
  }

  /** While the peer lives, what was accepted for it is not given up. */
  async #makeLink(): Promise<void> {
    while (this.present && !this.#link) {
      try {
        const channel = await this.#host.connect(this);
        this.addChannel(channel);
        await this.#sendPending(channel);
      } catch {
        // It does not answer, or the link broke, or it leaves, which is told soon.
        await delay(retryInterval, { ref: this.#refed });
      }
    }
    this.#linking = undefined;
    this.#wakeWaiters();
    if (this.#toldFull && this.#link) this.#host.drained(this);
    this.#toldFull = false;
  }

  /** What was kept goes first, in order; only then does `send` use the link directly. */
  async #sendPending(channel: Channel<Envelope>): Promise<void> {
    while (this.#pending.length > 0) {
      const { envelope, bytes } = this.#pending[0]!;
      try {
        if (!channel.send(envelope)) {
          await channel.ready();
          continue;
        }
      } catch (error) {
        if (channel.closed || error instanceof ShmError) throw error;
        // A user's codec does not take what it made. This one is lost, and that is told.
        queueMicrotask(() => this.#host.failed(this, error as Error));
      }
      this.#pending.shift();
      this.#pendingBytes -= bytes;
    }
    this.#link = channel;
  }

  #wakeWaiters(): void {
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  /** Its presence has ended. What it had sent before is delivered first. */
  #leave(reason: LeaveReason): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#wakeWaiters();
    // With nobody to take the messages, they would never end.
    if (!this.#flowing) for (const channel of this.#channels) void channel.close();
    this.#settle();
  }

  #settle(): void {
    if (this.#reason === undefined || this.#gone || this.#channels.size > 0) return;
    this.#gone = true;
    this.#host.left(this, this.#reason);
  }
}

/** Whether a send failed only because the peer is about to leave. */
export function isLeaving(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ERR_PEER_CLOSED' || code === 'ERR_PEER_DIED' || code === 'ERR_CLOSED';
}
