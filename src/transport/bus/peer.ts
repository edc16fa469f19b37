import { ShmError } from '../../errors.js';
import { nextTick } from '../../timers.js';
import type { Channel } from '../channel/channel.js';
import type { MessageRings } from '../channel/message-rings.js';
import type { RangeCodec } from '../codec/types.js';
import type { EarlyUse } from '../link/dial-link.js';
import type { Link } from '../link/handshake.js';
import { type Envelope, EnvelopeKind } from './envelope.js';
import type { LeaveReason } from './bus-options.js';
import { MessageHold } from './message-hold.js';
import { Outbox } from './outbox.js';
import { type LinkMaker, type LinkOrder, PeerLinks } from './peer-links.js';

/**
 * Answers that wait for a peer take at most this many bytes. One that asks on and on and reads no
 * answer would else fill this side's memory.
 */
const mostAnswerBytes = 64 * 1024 * 1024;

/** What an answer takes besides its value. */
const answerOverhead = 256;

/** What a peer needs of its bus. */
export interface PeerCallbacks extends Omit<LinkMaker, 'dial'> {
  /** Of the bus's own peer. */
  readonly instance: string;
  /** Bytes of one message. */
  readonly maxMessage: number;
  /** Makes a codec that no channel uses. */
  codec(): RangeCodec<Envelope>;
  /** Dials the peer for a link. */
  dial(
    peer: Peer,
    order: LinkOrder,
    early: EarlyUse<MessageRings>,
    signal: AbortSignal,
  ): Promise<Link<MessageRings>>;
  received(peer: Peer, envelope: Envelope): void;
  drained(peer: Peer): void;
  /** Messages go another way now. */
  routed(peer: Peer): void;
  /**
   * A link to it broke, or could not be made, though it is there.
   *
   * @param isLost what was sent over a link, or waits for one, may never arrive
   */
  failed(peer: Peer, error: Error, isLost: boolean): void;
  /** Resolves once every link that was dialled to this bus by now has been taken. */
  arrivals(): Promise<void>;
  /** It can no longer be sent to. */
  leaving(peer: Peer): void;
  /** It has gone, and everything it had sent has been delivered. */
  left(peer: Peer, reason: LeaveReason): void;
}

/**
 * Another peer of the bus, as this one sees it: its presence, a connection that only shows that it
 * lives; once somebody wrote, the link that messages go over; and what waits for room there.
 */
export class Peer {
  readonly id: string;
  readonly instance: string;
  /** Bytes each direction of a link holds: the smaller of what the two sides want. */
  readonly capacity: number;
  readonly #host: PeerCallbacks;
  /** Two, where both came to the bus at one moment and dialled each other. */
  readonly #presences = new Set<Channel<Envelope>>();
  readonly #links: PeerLinks;
  readonly #outbox = new Outbox();
  readonly #hold: MessageHold;
  #fallbackReason: string | undefined;
  /** A `send` said false. */
  #owesDrain = false;
  #waiters: (() => void)[] = [];
  #refed = true;
  #reason: LeaveReason | undefined;
  /** It has left, and all links that it had dialled are known. */
  #allArrived = false;
  #gone = false;

  constructor(host: PeerCallbacks, id: string, instance: string, capacity: number) {
    this.#host = host;
    this.id = id;
    this.instance = instance;
    this.capacity = capacity;
    const maker: LinkMaker = {
      dial: (...how) => host.dial(this, ...how),
      earlyChannel: rings => host.earlyChannel(rings),
      channel: link => host.channel(link),
    };
    // What a ring holds, and one that replaced it.
    this.#hold = new MessageHold(this.#presences, 4 * capacity + host.maxMessage, {
      acknowledged: () => this.#links.setPaused(false),
      released: () => this.#mayDrain(),
    });
    this.#links = new PeerLinks(host.instance < instance, maker, {
      isPresent: () => this.present,
      received: envelope => host.received(this, envelope),
      roomCame: channel => this.#roomCame(channel),
      takenBack: (rings, channel) => this.#takeBack(rings, channel),
      failed: (error, isLost) => host.failed(this, error, isLost),
      closed: () => this.#linkClosed(),
      dialled: () => {
        if (!this.#links.sending) this.#wakeWaiters();
      },
    });
  }

  /** Whether it can still be sent to. */
  get present(): boolean {
    return this.#reason === undefined && !this.#gone;
  }

  /** Whether it has left, and everything that it had sent has come. */
  get gone(): boolean {
    return this.#gone;
  }

  /** Why messages go over a socket; undefined where they do not. */
  get fallbackReason(): string | undefined {
    return this.#fallbackReason;
  }

  get isLinked(): boolean {
    return this.#links.sending !== undefined;
  }

  /** @param heard what it said over this presence before, if anything */
  addPresence(presence: Channel<Envelope>, heard?: Envelope): void {
    this.#presences.add(presence);
    if (this.#refed) presence.ref();
    else presence.unref();
    let reason: LeaveReason = 'closed';
    presence.on('message', envelope => this.#hold.received(envelope));
    presence.on('drain', () => this.#hold.flush());
    presence.on('error', () => (reason = 'died'));
    presence.once('close', () => {
      this.#presences.delete(presence);
      if (this.#presences.size === 0) this.#leave(reason);
      else this.#hold.repeat();
    });
    if (heard) this.#hold.received(heard);
  }

  /** Takes a link that the other side has dialled. */
  accept(channel: Channel<Envelope>, order: LinkOrder): void {
    this.#links.accept(channel, order);
  }

  /** Stops or goes on handing over messages. Until the peer has agreed to send none, all else waits, too. */
  setPaused(paused: boolean): void {
    // Of one that has left everything is taken in: nobody else has it.
    this.#links.setPaused(paused && this.#reason === undefined);
    this.#hold.hold(paused);
  }

  /** A message of it waits for a listener. One that agrees to send none, and does, is not read. */
  countHeld(bytes: number): void {
    if (this.present && this.#hold.count(bytes)) this.#links.setPaused(true);
  }

  setRef(refed: boolean): void {
    this.#refed = refed;
    for (const presence of this.#presences) {
      if (refed) presence.ref();
      else presence.unref();
    }
    this.#links.setRef(refed);
  }

  /** @returns false: full, and it was not sent; the host hears of `drained` */
  send(envelope: Envelope): boolean {
    const isSent = !this.#hold.isHeld && this.#trySend(envelope);
    if (!isSent) this.#owesDrain = true;
    return isSent;
  }

  #trySend(envelope: Envelope): boolean {
    if (!this.#outbox.isEmpty) return false;
    const links = this.#links;
    if (!links.sending) links.connect();
    return links.sending?.send(envelope) ?? false;
  }

  /**
   * Sends as soon as there is room.
   *
   * @param settle called once it is sent or can never be, never within this call
   * @returns gives it up, if it has not been sent by then
   * @throws {ShmError} for a value that cannot be sent at all
   */
  post(envelope: Envelope, settle: (error?: Error) => void): () => void {
    if (!this.present || this.#trySend(envelope)) {
      nextTick(() => settle(this.present ? undefined : this.#leftError()));
      return () => {};
    }
    // Kept as it is now: the caller may change it afterwards.
    const bytes = Buffer.from(this.#host.codec().encode(envelope));
    const copy = this.#host.codec().decode(bytes, 0, bytes.length);
    const isAnswer = envelope.kind >= EnvelopeKind.reply;
    const taken = isAnswer && { answerBytes: bytes.length + answerOverhead };
    const giveUp = this.#outbox.add({ envelope: copy, settle, ...taken });
    if (this.#outbox.answerBytes > mostAnswerBytes) this.#refuse();
    return giveUp;
  }

  /** Ends its links: it asks, and does not take the answers. */
  #refuse(): void {
    const detail = `${mostAnswerBytes} bytes of answers wait for the peer, and it asks for more`;
    this.#outbox.dropAnswers();
    this.#links.refuse(new ShmError('ERR_PROTOCOL', detail, 'bus.receive', this.id));
  }

  /** Resolves when `send` may succeed again, or never will. */
  async ready(): Promise<void> {
    while (this.#hold.isHeld && this.present) await this.#woken();
    const { sending } = this.#links;
    if (sending && this.#outbox.isEmpty) {
      await sending.ready().catch(() => {}); // closed: the next `send` says so
    } else if (this.#owesDrain && this.present) {
      await this.#woken();
    }
  }

  /**
   * Sends what is kept, then says goodbye; does not fail.
   *
   * @param limit after which nothing is waited for any more
   */
  async close(limit: Promise<void>): Promise<void> {
    await Promise.race([this.#flushed(), limit]);
    this.#gone = true;
    this.#wakeWaiters();
    const presences = [...this.#presences].map(presence => presence.close());
    const closing = Promise.allSettled([this.#links.close(), ...presences]);
    await Promise.race([closing, limit]);
    const error = new ShmError('ERR_CLOSED', 'the bus was closed', 'bus.send', this.id);
    this.#links.abort(error);
    this.#outbox.fail(error);
  }

  /** Until everything that was accepted is where the peer finds it, or the peer has left. */
  async #flushed(): Promise<void> {
    for (;;) {
      // The memory of a link that is being made holds what was accepted; only the peer can take it.
      if (this.present && this.#links.dialling) await this.#links.dialling;
      else if (this.present && !this.#outbox.isEmpty) await this.#woken();
      else return;
    }
  }

  #woken(): Promise<void> {
    return new Promise(resolve => this.#waiters.push(resolve));
  }

  #wakeWaiters(): void {
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  #roomCame(channel: Channel<Envelope>): void {
    const { fallbackReason } = channel;
    if (fallbackReason !== this.#fallbackReason) {
      this.#fallbackReason = fallbackReason;
      this.#host.routed(this);
    }
    try {
      this.#outbox.flush(channel);
    } catch {
      return; // it is about to close
    }
    this.#mayDrain();
  }

  #mayDrain(): void {
    if (!this.#outbox.isEmpty) return;
    this.#wakeWaiters();
    if (!this.#owesDrain || this.#hold.isHeld) return;
    this.#owesDrain = false;
    this.#host.drained(this);
  }

  #takeBack(rings: MessageRings, channel: Channel<Envelope> | undefined): void {
    const failed = (error: unknown) => this.#host.failed(this, error as Error, false);
    const envelopes: Envelope[] = [];
    const codec = this.#host.codec();
    const take = (bytes: Buffer, offset: number, length: number) => {
      try {
        envelopes.push(codec.decode(bytes, offset, offset + length));
      } catch (error) {
        failed(error); // a codec that does not take what it has made itself
      }
    };
    const isMine = rings.reclaim(take);
    const unsent = isMine ? channel?.takeUnsent() : undefined;
    if (unsent) take(unsent, 0, unsent.length);
    this.#outbox.putBack(envelopes, failed);
  }

  #linkClosed(): void {
    if (!this.#outbox.isEmpty) this.#links.connect();
    this.#settle();
  }

  /** Its presence has ended. What it had sent before is delivered first. */
  #leave(reason: LeaveReason): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#host.leaving(this);
    this.#wakeWaiters();
    this.#outbox.fail(this.#leftError());
    this.#links.setPaused(false);
    // A link that it had dialled just before may still wait to be accepted, with messages in it.
    void this.#host.arrivals().then(() => {
      this.#links.abort(this.#leftError());
      this.#allArrived = true;
      this.#settle();
    });
  }

  #settle(): void {
    if (!this.#allArrived || this.#gone || !this.#links.isEmpty) return;
    this.#gone = true;
    this.#host.left(this, this.#reason!);
  }

  #leftError(): ShmError {
    return new ShmError('ERR_PEER_CLOSED', 'the peer left', 'bus.send', this.id);
  }
}
