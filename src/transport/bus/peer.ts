import { ShmError } from '../../errors.js';
import { delay, nextTick } from '../../timers.js';
import type { Channel } from '../channel/channel.js';
import type { MessageRings } from '../channel/message-rings.js';
import type { RangeCodec } from '../codec/types.js';
import type { EarlyUse } from '../link/dial-link.js';
import type { Link } from '../link/handshake.js';
import type { Envelope } from './envelope.js';
import type { LeaveReason } from './options.js';
import { Outbox } from './outbox.js';

/** Milliseconds between two tries to reach a peer that is there. */
export const retryInterval = 100;

/** What a peer needs of its bus. */
export interface PeerCallbacks {
  /** Of the bus's own peer. */
  readonly instance: string;
  /** Makes a codec that no channel uses. */
  codec(): RangeCodec<Envelope>;
  /** Dials the peer for a link. */
  dial(peer: Peer, early: EarlyUse<MessageRings>): Promise<Link<MessageRings>>;
  /** A channel over rings whose link is being made. */
  earlyChannel(rings: MessageRings): Channel<Envelope>;
  /** A channel over a link. */
  channel(link: Link<MessageRings>): Channel<Envelope>;
  received(peer: Peer, envelope: Envelope): void;
  drained(peer: Peer): void;
  /** Messages go another way now. */
  routed(peer: Peer): void;
  /** A link to it broke, or could not be made, though it is there. */
  failed(peer: Peer, error: Error): void;
  /** It has gone, and everything it had sent has been delivered. */
  left(peer: Peer, reason: LeaveReason): void;
}

/** Why dialling a peer fails that is about to leave, or slow; then there is nothing to report. */
const passing = ['ECONNREFUSED', 'ENOENT', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ERR_CLOSED'];

/**
 * Another peer of the bus, as this one sees it: its presence, a connection that only shows that it
 * lives; and once somebody wrote, the link that messages go over, both ways.
 *
 * The side that dials makes the memory, and writes into it before the other has answered. Where both
 * dial at once, the link of the one with the smaller instance stays: the other ends its own once it
 * stands, then sends over the one that stays, which is not read before the other one has ended.
 */
export class Peer {
  readonly id: string;
  readonly instance: string;
  /** Bytes each direction of a link holds: the smaller of what the two sides want. */
  readonly capacity: number;
  readonly #host: PeerCallbacks;
  /** Two, where both came to the bus at one moment and dialled each other. */
  readonly #presences = new Set<Channel<Envelope>>();
  /** Those that are read, the newest last. */
  readonly #channels = new Set<Channel<Envelope>>();
  /** The channel that this side sends over. */
  #sending: Channel<Envelope> | undefined;
  /** The one that this side has dialled. */
  #own: Channel<Envelope> | undefined;
  /** The one to send over instead, once the own one stands. */
  #better: Channel<Envelope> | undefined;
  #linking: Promise<void> | undefined;
  readonly #outbox = new Outbox();
  /** A `send` said false. */
  #owesDrain = false;
  #waiters: (() => void)[] = [];
  #isPaused = false;
  #refed = true;
  #reason: LeaveReason | undefined;
  #gone = false;

  constructor(host: PeerCallbacks, id: string, instance: string, capacity: number) {
    this.#host = host;
    this.id = id;
    this.instance = instance;
    this.capacity = capacity;
  }

  /** Whether it can still be sent to. */
  get present(): boolean {
    return this.#reason === undefined && !this.#gone;
  }

  /** Why messages go over a socket; undefined where they do not. */
  get fallbackReason(): string | undefined {
    return this.#sending?.fallbackReason;
  }

  get isLinked(): boolean {
    return this.#sending?.closed === false;
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

  /** Takes a link that the other side has dialled. */
  accept(channel: Channel<Envelope>): void {
    this.#read(channel);
    const own = this.#own;
    if (!own || own.closed) {
      this.#use(channel);
    } else if (this.#host.instance < this.instance) {
      // The other side ends it. What it has sent over it comes before what it sends over this one.
      this.#stopReading(own);
      channel.once('close', () => this.#startReading(own));
    } else {
      this.#better = channel;
      if (!this.#linking) this.#switchOver();
    }
  }

  /** Stops or goes on handing over what comes: the rest waits at the peer. */
  setPaused(paused: boolean): void {
    this.#isPaused = paused;
    for (const channel of this.#channels) {
      if (paused) this.#stopReading(channel);
      else this.#startReading(channel);
    }
  }

  setRef(refed: boolean): void {
    this.#refed = refed;
    for (const channel of [...this.#presences, ...this.#channels]) this.#setRef(channel);
  }

  /** @returns false: full, and it was not sent; the host hears of `drained` */
  send(envelope: Envelope): boolean {
    if (this.#outbox.isEmpty) {
      if (!this.isLinked) this.#connect();
      if (this.isLinked && this.#sending!.send(envelope)) return true;
    }
    this.#owesDrain = true;
    return false;
  }

  /**
   * Sends as soon as there is room.
   *
   * @param settle called once it is sent or can never be, never within this call
   * @returns gives it up, if it has not been sent by then
   * @throws {ShmError} for a value that cannot be sent at all
   */
  post(envelope: Envelope, settle: (error?: Error) => void): () => void {
    if (!this.present || this.send(envelope)) {
      nextTick(() => settle(this.present ? undefined : this.#leftError()));
      return () => {};
    }
    // Kept as it is now: the caller may change it afterwards.
    const bytes = Buffer.from(this.#host.codec().encode(envelope));
    const copy = this.#host.codec().decode(bytes, 0, bytes.length);
    return this.#outbox.add({ envelope: copy, settle });
  }

  /** Resolves when `send` may succeed again, or never will. */
  async ready(): Promise<void> {
    if (this.isLinked && this.#outbox.isEmpty) {
      await this.#sending!.ready().catch(() => {}); // closed: the next `send` says so
    } else if (this.#owesDrain && this.present) {
      await new Promise<void>(resolve => this.#waiters.push(resolve));
    }
  }

  /**
   * Sends what is kept, then says goodbye; does not fail.
   *
   * @param limit after which nothing is waited for any more
   */
  async close(limit: Promise<void>): Promise<void> {
    // The memory of a link that is being made holds what was accepted; only the peer can take it.
    if (this.present) await Promise.race([this.#linking, limit]);
    this.#gone = true;
    this.#wakeWaiters();
    const channels = [...this.#channels, ...this.#presences];
    await Promise.race([Promise.allSettled(channels.map(channel => channel.close())), limit]);
    this.#outbox.fail(new ShmError('ERR_CLOSED', 'the bus was closed', 'bus.send', this.id));
  }

  #setRef(channel: Channel<Envelope>): void {
    if (this.#refed) channel.ref();
    else channel.unref();
  }

  /** Reads a channel until it closes. */
  #read(channel: Channel<Envelope>): void {
    this.#channels.add(channel);
    this.#setRef(channel);
    channel.on('drain', () => this.#roomCame(channel));
    channel.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ERR_PEER_DIED') this.#host.failed(this, error);
    });
    channel.once('close', () => this.#closed(channel));
    if (!this.#isPaused) this.#startReading(channel);
  }

  readonly #received = (envelope: Envelope) => this.#host.received(this, envelope);

  #startReading(channel: Channel<Envelope>): void {
    if (!this.#isPaused && channel.listenerCount('message') === 0) {
      channel.on('message', this.#received);
    }
  }

  #stopReading(channel: Channel<Envelope>): void {
    channel.off('message', this.#received);
  }

  #closed(channel: Channel<Envelope>): void {
    this.#channels.delete(channel);
    if (this.#own === channel) this.#own = undefined;
    if (this.#better === channel) this.#better = undefined;
    if (this.#sending === channel) {
      const other = this.#newest();
      this.#sending = undefined;
      if (other) this.#use(other);
      else if (!this.#outbox.isEmpty) this.#connect();
    }
    this.#settle();
  }

  #newest(): Channel<Envelope> | undefined {
    return [...this.#channels].reverse().find(channel => !channel.closed);
  }

  #use(channel: Channel<Envelope>): void {
    const before = this.#sending;
    this.#sending = channel;
    if (before?.fallbackReason !== channel.fallbackReason) this.#host.routed(this);
    this.#roomCame(channel);
  }

  #roomCame(channel: Channel<Envelope>): void {
    if (channel !== this.#sending) return;
    try {
      this.#outbox.flush(channel);
    } catch {
      return; // it is about to close
    }
    if (!this.#outbox.isEmpty || !this.#owesDrain) return;
    this.#owesDrain = false;
    this.#wakeWaiters();
    this.#host.drained(this);
  }

  /** Ends the own link for the better one. */
  #switchOver(): void {
    const own = this.#own;
    const better = this.#better;
    this.#better = undefined;
    if (!better || better.closed) return;
    this.#own = undefined;
    this.#use(better);
    void own?.close();
  }

  #connect(): void {
    if (!this.present) return;
    this.#linking ??= this.#dialUntilLinked().finally(() => {
      this.#linking = undefined;
      this.#switchOver();
      if (!this.isLinked) this.#wakeWaiters();
    });
  }

  /** While the peer lives, what was accepted for it is not given up. */
  async #dialUntilLinked(): Promise<void> {
    let isFirst = true;
    while (this.present && !(this.isLinked && this.#sending !== this.#own)) {
      try {
        await this.#dial();
        return;
      } catch (error) {
        // It does not answer, or leaves, which is seen soon; or this side cannot.
        const isPassing = passing.includes((error as ShmError).code);
        if (isFirst && !isPassing && this.present) this.#host.failed(this, error as Error);
        isFirst &&= isPassing;
        const other = this.#better ?? this.#newest();
        if (other) return this.#use(other);
        await delay(retryInterval, { ref: this.#refed });
      }
    }
  }

  async #dial(): Promise<void> {
    let early: Channel<Envelope> | undefined;
    const link = await this.#host.dial(this, {
      rings: ({ ends }) => {
        this.#own = early = this.#host.earlyChannel(ends);
        this.#read(early);
        this.#use(early);
      },
      takeBack: ({ ends }) => {
        const envelopes: Envelope[] = [];
        const codec = this.#host.codec();
        ends.reclaim((bytes, offset, length) => {
          envelopes.push(codec.decode(bytes, offset, offset + length));
        });
        this.#outbox.putBack(envelopes, error => this.#host.failed(this, error));
        if (this.#sending === early) this.#sending = undefined;
        void early?.close();
        early = undefined;
      },
    });
    if (early && link.ends) {
      link.ends.own(link.region!, link.socket);
      return;
    }
    this.#own = this.#host.channel(link);
    this.#read(this.#own);
    this.#use(this.#own);
  }

  #wakeWaiters(): void {
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  /** Its presence has ended. What it had sent before is delivered first. */
  #leave(reason: LeaveReason): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#wakeWaiters();
    this.#outbox.fail(this.#leftError());
    // With nobody to take the messages, they would never end.
    if (this.#isPaused) for (const channel of this.#channels) void channel.close();
    this.#settle();
  }

  #settle(): void {
    if (this.#reason === undefined || this.#gone || this.#channels.size > 0) return;
    this.#gone = true;
    this.#host.left(this, this.#reason);
  }

  #leftError(): ShmError {
    return new ShmError('ERR_PEER_CLOSED', 'the peer left', 'bus.send', this.id);
  }
}
