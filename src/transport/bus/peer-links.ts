import { ShmError } from '../../errors.js';
import { delay } from '../../timers.js';
import type { Channel } from '../channel/channel.js';
import type { MessageRings } from '../channel/message-rings.js';
import type { EarlyUse } from '../link/dial-link.js';
import type { Link } from '../link/handshake.js';
import type { Envelope } from './envelope.js';

/** Milliseconds between two tries to reach a peer that is there. */
export const retryInterval = 100;

/** What a dialer says, so that the other side knows which link replaces which. */
export interface LinkOrder {
  /** Counts the links that this side has dialled. */
  readonly serial: number;
  /** The last of the other side's that this side had taken by then; 0: none. */
  readonly seen: number;
}

/** How links come about. */
export interface LinkMaker {
  dial(
    order: LinkOrder,
    early: EarlyUse<MessageRings>,
    signal: AbortSignal,
  ): Promise<Link<MessageRings>>;
  /** A channel over rings whose link is being made. */
  earlyChannel(rings: MessageRings): Channel<Envelope>;
  /** A channel over a link. */
  channel(link: Link<MessageRings>): Channel<Envelope>;
}

/** What the links to a peer report. */
export interface LinkEvents {
  /** Whether the peer can still be sent to. */
  isPresent(): boolean;
  received(envelope: Envelope): void;
  /** There is room, in a channel that may be another one than before. */
  roomCame(channel: Channel<Envelope>): void;
  /** What was written to these rings, and is still to be by their channel, will not be read there. */
  takenBack(rings: MessageRings, channel: Channel<Envelope> | undefined): void;
  /** @param isLost what was sent over a link, or waits for one, may never arrive */
  failed(error: Error, isLost: boolean): void;
  /** There was nothing left to read in a channel that has closed. */
  closed(): void;
  /** Dialling is over, with a link or without. */
  dialled(): void;
}

/**
 * Links to one peer that may be open at a time. An honest peer has two or three; more where links
 * break while nothing is read. Each holds descriptors of this process.
 */
const mostLinks = 64;

/** Errors of dialling a peer that is about to leave, or slow: nothing to report. */
const passing = ['ECONNREFUSED', 'ENOENT', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ERR_CLOSED'];

/**
 * The links to one peer: one that messages go over, both ways, and for a moment others.
 *
 * The side that dials makes the memory, and writes into it before the other has answered. Where both
 * dial at once, the link of the preferred side stays: the other side ends its own once that stands,
 * and sends over the one that stays. A side that has two links reads them one after the other, in the
 * order in which the peer has written to them.
 */
export class PeerLinks {
  readonly #isPreferred: boolean;
  readonly #maker: LinkMaker;
  readonly #events: LinkEvents;
  /** Those that are open, the newest last. */
  readonly #channels = new Set<Channel<Envelope>>();
  /** Channels that are not read before another one has come to its end. */
  readonly #readAfter = new Map<Channel<Envelope>, Channel<Envelope>>();
  #sending: Channel<Envelope> | undefined;
  /** The one that this side has dialled. */
  #own: Channel<Envelope> | undefined;
  /** The last one that the other side has dialled. */
  #accepted: Channel<Envelope> | undefined;
  /** The one to send over instead, once the own one stands. */
  #better: Channel<Envelope> | undefined;
  #dialling: Promise<void> | undefined;
  /** A dial is under way, not only the wait for the next one. */
  #isDialling = false;
  /** See {@link LinkOrder}. */
  #serial = 0;
  #seen = 0;
  readonly #abort = new AbortController();
  #isPaused = false;
  #refed = true;

  /** @param isPreferred where both dial at once, this side's link stays */
  constructor(isPreferred: boolean, maker: LinkMaker, events: LinkEvents) {
    this.#isPreferred = isPreferred;
    this.#maker = maker;
    this.#events = events;
  }

  /** The channel to send over, if there is one. */
  get sending(): Channel<Envelope> | undefined {
    return this.#sending?.closed === false ? this.#sending : undefined;
  }

  get isEmpty(): boolean {
    return this.#channels.size === 0;
  }

  /** Until dialling is over. */
  get dialling(): Promise<void> | undefined {
    return this.#dialling;
  }

  /** Takes a link that the other side has dialled. */
  accept(channel: Channel<Envelope>, { serial, seen }: LinkOrder): void {
    if (this.#channels.size >= mostLinks) {
      const detail = `expected at most ${mostLinks} links of one peer`;
      channel.on('error', () => {}).refuse(new ShmError('ERR_PROTOCOL', detail, 'bus.receive'));
      return;
    }
    const own = this.#own?.closed === false ? this.#own : undefined;
    // The other side knew the own link, and has dialled all the same: it has given that up.
    const isInstead = own !== undefined && seen >= this.#serial;
    this.#seen = Math.max(this.#seen, serial);
    this.#add(channel, isInstead ? own : this.#accepted);
    this.#accepted = channel;
    if (isInstead) this.#own = undefined;
    else if (own) this.#readLater(own, channel);
    // An own one may be on its way without memory: so far nothing has been written to it.
    if (isInstead || !(own ?? this.#isDialling)) {
      if (this.#events.isPresent()) this.#use(channel);
    } else if (!this.#isPreferred) {
      this.#better = channel;
      if (!this.#dialling) this.#switchOver();
    }
  }

  /** Stops or goes on handing over what comes: the rest waits at the peer. */
  setPaused(paused: boolean): void {
    this.#isPaused = paused;
    for (const channel of this.#channels) {
      if (paused) channel.off('message', this.#received);
      else this.#startReading(channel);
    }
  }

  setRef(refed: boolean): void {
    this.#refed = refed;
    for (const channel of this.#channels) setRef(channel, refed);
  }

  /** Makes a link, unless there is one; as long as the peer is there. */
  connect(): void {
    if (!this.#events.isPresent() || this.sending) return;
    this.#dialling ??= this.#dialUntilLinked().finally(() => {
      this.#dialling = undefined;
      this.#switchOver();
      this.#events.dialled();
    });
  }

  /** Gives up dialling. */
  abort(reason: Error): void {
    this.#abort.abort(reason);
  }

  /** Ends all links at once: the peer breaks the rules. */
  refuse(error: ShmError): void {
    for (const channel of this.#channels) channel.refuse(error);
  }

  close(): Promise<unknown> {
    return Promise.allSettled([...this.#channels].map(channel => channel.close()));
  }

  /** @param first comes to its end before this one is read */
  #add(channel: Channel<Envelope>, first: Channel<Envelope> | undefined): void {
    this.#channels.add(channel);
    this.#readLater(channel, first);
    setRef(channel, this.#refed);
    channel.on('drain', () => {
      if (channel === this.#sending) this.#events.roomCame(channel);
    });
    channel.on('error', (error: NodeJS.ErrnoException) => {
      // Where it is still open it only lacks a doorbell, and goes on.
      if (error.code !== 'ERR_PEER_DIED') this.#events.failed(error, channel.closed);
    });
    channel.once('close', () => this.#closed(channel));
    this.#startReading(channel);
  }

  readonly #received = (envelope: Envelope) => this.#events.received(envelope);

  /** Reads a channel only once another one, where that is open, has come to its end. */
  #readLater(channel: Channel<Envelope>, first: Channel<Envelope> | undefined): void {
    if (!first || !this.#channels.has(first)) return;
    this.#readAfter.set(channel, first);
    channel.off('message', this.#received);
  }

  #startReading(channel: Channel<Envelope>): void {
    if (this.#isPaused || this.#readAfter.has(channel)) return;
    if (channel.listenerCount('message') === 0) channel.on('message', this.#received);
  }

  #closed(channel: Channel<Envelope>): void {
    this.#channels.delete(channel);
    this.#readAfter.delete(channel);
    for (const [later, first] of this.#readAfter) {
      if (first !== channel) continue;
      this.#readAfter.delete(later);
      this.#startReading(later);
    }
    if (this.#own === channel) this.#own = undefined;
    if (this.#accepted === channel) this.#accepted = undefined;
    if (this.#better === channel) this.#better = undefined;
    if (this.#sending === channel) {
      this.#sending = undefined;
      const other = this.#newest();
      if (other && this.#events.isPresent()) this.#use(other);
    }
    this.#events.closed();
  }

  #newest(): Channel<Envelope> | undefined {
    return [...this.#channels].reverse().find(channel => !channel.closed);
  }

  #use(channel: Channel<Envelope>): void {
    this.#sending = channel;
    this.#events.roomCame(channel);
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

  /** While the peer lives, what was accepted for it is not given up. */
  async #dialUntilLinked(): Promise<void> {
    let isFirst = true;
    while (this.#events.isPresent() && !(this.sending && this.#sending !== this.#own)) {
      try {
        await this.#dial();
        return;
      } catch (error) {
        // It does not answer, or leaves, which is seen soon; or this side cannot.
        const isPassing = passing.includes((error as NodeJS.ErrnoException).code ?? '');
        const isPresent = this.#events.isPresent();
        if (isFirst && !isPassing && isPresent) this.#events.failed(error as Error, true);
        isFirst &&= isPassing;
        const other = this.#better ?? this.#newest();
        if (other && isPresent) return this.#use(other);
        await delay(retryInterval, { ref: this.#refed });
      }
    }
  }

  async #dial(): Promise<void> {
    let early: Channel<Envelope> | undefined;
    const order = { serial: ++this.#serial, seen: this.#seen };
    const use: EarlyUse<MessageRings> = {
      rings: ({ ends }) => this.#takeOwn((early = this.#maker.earlyChannel(ends))),
      takeBack: ({ ends }) => {
        if (this.#sending === early) this.#sending = undefined;
        this.#events.takenBack(ends, early);
        void early?.close();
        early = undefined;
      },
    };
    let link: Link<MessageRings>;
    try {
      this.#isDialling = true;
      link = await this.#maker.dial(order, use, this.#abort.signal);
    } finally {
      this.#isDialling = false;
    }
    if (early && link.ends) link.ends.own(link.region!, link.socket);
    else this.#takeOwn(this.#maker.channel(link));
  }

  #takeOwn(channel: Channel<Envelope>): void {
    this.#own = channel;
    this.#add(channel, this.#accepted);
    this.#use(channel);
  }
}

function setRef(channel: Channel<Envelope>, refed: boolean): void {
  if (refed) channel.ref();
  else channel.unref();
}
