import { ShmError, systemError } from '../../errors.js';
import { offerPatience } from '../../native/reap.js';
import { delay, withTimeLimit } from '../../timers.js';
import { Channel } from '../channel/channel.js';
import {
  channelLimits,
  type ChannelLimits,
  type ChannelOptions,
} from '../channel/channel-options.js';
import type { RangeCodec } from '../codec/types.js';
import type { ListenerScope } from '../ring/listener-scope.js';
import type { Link } from '../link/handshake.js';
import { LinkServer } from '../link/server.js';
import type { LinkKind } from '../link/sharing.js';
import { channelKind, linkedChannel } from '../channel/link-kind.js';
import type { MessageRings } from '../channel/message-rings.js';
import { EarlyLinks, waitAside } from './early-links.js';
import { type Envelope, envelopeCodec, prefixBytes } from './envelope.js';
import { checkGreeting, type Greeting } from './greeting.js';
import { MeshDialer } from './mesh-dialer.js';
import type { LeaveReason } from './bus-options.js';
import { Peer, type PeerCallbacks } from './peer.js';
import { PeerDirectory } from './peer-directory.js';
import { type LinkOrder, retryInterval } from './peer-links.js';

/** How long joining waits for a peer that does not answer, in milliseconds. */
const joinPatience = 2000;

export interface MeshOptions extends ChannelOptions<unknown> {
  name: string;
  id: string;
  capacity: number;
  directory: string | undefined;
  /** Where everything below is called. */
  scope: ListenerScope;
}

/** A peer that waits for another one's end. */
interface Successor {
  readonly greeting: Greeting;
  readonly presence: Channel<Envelope>;
  /** The last that it said. */
  heard?: Envelope;
}

/** What a mesh reports. */
export interface MeshEvents {
  joined(peer: Peer): void;
  /** It has gone, and everything it had sent has been delivered. */
  left(peer: Peer, reason: LeaveReason): void;
  received(peer: Peer, envelope: Envelope): void;
  drained(peer: Peer): void;
  /** Messages to it go another way now. */
  routed(peer: Peer): void;
  /** A peer could not be met. */
  failed(error: Error): void;
  /** No peer can be accepted at the moment; it tries again by itself. */
  lacking(error: Error): void;
  /**
   * The link to a peer broke or cannot be made.
   *
   * @param isLost what was sent over it, or waits for it, may never arrive
   */
  linkFailed(peer: Peer, error: Error, isLost: boolean): void;
}

/**
 * Who is on the bus. Each peer listens, and dials those that were there before it; these
 * connections stay, idle, and their end is the peer's. Links for messages are dialled when
 * they are first needed.
 */
export class Mesh {
  readonly #options: MeshOptions;
  readonly #events: MeshEvents;
  readonly #kind: LinkKind<MessageRings>;
  readonly #directory: PeerDirectory;
  readonly #dialer: MeshDialer;
  readonly #server: LinkServer<MessageRings>;
  readonly #peers = new Map<string, Peer>();
  readonly #ids = new Set<string>();
  /** Peers whose id another peer still has, which should be about to leave. */
  readonly #successors = new Map<string, Successor>();
  readonly #early = new EarlyLinks();
  readonly #host: PeerCallbacks;
  readonly #limits: ChannelLimits;
  #isPaused = false;
  #refed = true;
  #closed = false;

  constructor(options: MeshOptions, events: MeshEvents) {
    this.#options = options;
    this.#events = events;
    const { id, capacity, directory } = options;
    const { maxMessage, closeTimeout } = channelLimits('bus.join', options);
    this.#limits = { maxMessage: maxMessage + prefixBytes, closeTimeout };
    const { name: codecName, ...kind } = channelKind(options, this.#limits);
    this.#kind = { ...kind, name: `bus, ${codecName}` };
    this.#directory = new PeerDirectory(options.name, directory);
    const { instance } = this.#directory;
    const greeting: Greeting = { id, instance, capacity };
    this.#dialer = new MeshDialer(this.#directory, this.#kind, greeting, directory);
    this.#server = new LinkServer<MessageRings>(
      this.#kind,
      { capacity, directory, exclusive: true, greeting },
      {
        link: link => options.scope.run(() => this.#accept(link)),
        refused: () => {},
        failed: error => events.lacking(error),
      },
    );
    this.#host = {
      instance,
      maxMessage: this.#limits.maxMessage,
      codec: () => this.#codec(),
      dial: ({ instance: to, capacity: bytes }, order, early, signal) =>
        this.#dialer.dial(to, 'link', { ...order, capacity: bytes, early, signal }),
      earlyChannel: rings => Channel.make(rings, this.#codec(), this.#origin),
      channel: link => this.#channel(link),
      received: (peer, envelope) => events.received(peer, envelope),
      drained: peer => events.drained(peer),
      routed: peer => events.routed(peer),
      failed: (...what) => events.linkFailed(...what),
      arrivals: () => this.#dialer.arrivals(),
      leaving: peer => this.#leaving(peer),
      left: (peer, reason) => this.#left(peer, reason),
    };
  }

  get peers(): ReadonlyMap<string, Peer> {
    return this.#peers;
  }

  get ids(): ReadonlySet<string> {
    return this.#ids;
  }

  /** @throws {ShmError} `ERR_ID_TAKEN` */
  async join(): Promise<void> {
    this.#directory.reveal();
    await this.#server.listen(this.#directory.address());
    const dials = this.#directory.others().map(instance => this.#dialPresence(instance));
    let joined = false;
    try {
      await withTimeLimit(joinPatience, late => Promise.race([Promise.all(dials), late]));
      joined = true;
    } finally {
      for (const dial of dials) {
        // Those that did not answer yet go on being dialled. Why joining failed is its own error.
        dial.catch((error: unknown) => {
          if (joined && !this.#closed) this.#events.failed(error as Error);
        });
      }
    }
  }

  /** As long as the other can be found, and does not refuse: it may only be slow. */
  async #dialPresence(instance: string): Promise<void> {
    while (!this.#closed && this.#directory.has(instance)) {
      try {
        const link = await this.#dialer.dial(instance, 'presence');
        return this.#meet(link);
      } catch (error) {
        const { code } = error as ShmError;
        if (code === 'ECONNREFUSED' || code === 'ENOENT' || this.#closed) return;
        if (['ERR_ID_TAKEN', 'ERR_PROTOCOL', 'ERR_VERSION'].includes(code)) throw error;
        await delay(retryInterval, { ref: this.#refed });
      }
    }
  }

  #meet(link: Link<MessageRings>): void {
    const greeting = checkGreeting(link.greeting);
    const presence = greeting && this.#channel(link);
    if (!presence || this.#closed) {
      link.socket.destroy();
      return;
    }
    if (greeting.id === this.#options.id) {
      void presence.close();
      throw new ShmError('ERR_ID_TAKEN', 'a live peer has this id', 'bus.join', this.#options.id);
    }
    this.#welcome({ greeting, presence });
  }

  /** A peer that ends without `close` is one that died. */
  get #origin() {
    return { scope: this.#options.scope, endsAtExit: false, limits: this.#limits };
  }

  #codec(): RangeCodec<Envelope> {
    return envelopeCodec(this.#options.codec, this.#limits.maxMessage - prefixBytes);
  }

  #channel(link: Link<MessageRings>): Channel<Envelope> {
    return linkedChannel(link, this.#codec(), this.#origin);
  }

  /** Somebody has dialled this peer. */
  #accept(link: Link<MessageRings>): void {
    const greeting = checkGreeting(link.greeting);
    if (!greeting || this.#closed || greeting.purpose === 'barrier') {
      link.socket.destroy();
      return;
    }
    this.#dialer.keep(link.socket);
    const channel = this.#channel(link);
    if (greeting.purpose === 'presence') {
      // If two peers share an id, the one that detects it leaves.
      if (greeting.id === this.#options.id) waitAside(channel).on('message', () => {});
      else this.#welcome({ greeting, presence: channel });
      return;
    }
    const { instance, serial = 0, seen = 0 } = greeting;
    const order = { serial, seen };
    const peer = this.#peers.get(greeting.id);
    if (peer?.instance !== instance) this.#keepEarly(instance, channel, order);
    else if (peer.gone) void channel.close();
    else peer.accept(channel, order);
  }

  /** A link whose peer is not on this side's list, as it may soon be. */
  #keepEarly(instance: string, channel: Channel<Envelope>, order: LinkOrder): void {
    this.#early.keep(instance, { channel, order }, () =>
      [...this.#successors.values()].some(({ greeting }) => greeting.instance === instance),
    );
  }

  #welcome({ greeting, presence, heard }: Successor): void {
    const { id, instance } = greeting;
    const known = this.#peers.get(id);
    if (known?.instance === instance) return known.addPresence(presence);
    if (known) {
      // The old one's end is about to be seen; or the new one is about to find it out.
      const successor: Successor = { greeting, presence };
      this.#successors.set(id, successor);
      waitAside(presence);
      presence.once('close', () => {
        if (this.#successors.get(id)?.presence === presence) this.#successors.delete(id);
        this.#early.drop(instance);
      });
      presence.on('message', envelope => (successor.heard = envelope));
      return;
    }
    const capacity = Math.min(greeting.capacity, this.#options.capacity);
    const peer = new Peer(this.#host, id, instance, capacity);
    this.#peers.set(id, peer);
    this.#ids.add(id);
    peer.setRef(this.#refed);
    peer.addPresence(presence, heard);
    if (this.#isPaused) peer.setPaused(true);
    this.#events.joined(peer);
    for (const { channel, order } of this.#early.take(instance)) peer.accept(channel, order);
  }

  #leaving(peer: Peer): void {
    if (this.#peers.get(peer.id) === peer) this.#ids.delete(peer.id);
  }

  #left(peer: Peer, reason: LeaveReason): void {
    if (this.#peers.get(peer.id) !== peer) return;
    this.#peers.delete(peer.id);
    if (reason === 'died') void this.#reap(peer.instance);
    this.#events.left(peer, reason);
    const successor = this.#successors.get(peer.id);
    this.#successors.delete(peer.id);
    if (successor && !successor.presence.closed) {
      this.#welcome(successor);
    }
  }

  /** The kernel may give up a dead process's lease a moment after its sockets. */
  async #reap(instance: string): Promise<void> {
    try {
      for (let tries = 10; tries > 0 && !this.#closed; tries--) {
        this.#directory.forget(instance);
        if (!this.#directory.has(instance)) break;
        await delay(retryInterval, { ref: false });
      }
      // Then what it had offered, too.
      await delay(offerPatience, { ref: false });
      if (!this.#closed) this.#directory.reap();
    } catch {
      // Somebody has taken the directory away, and what was left with it.
    }
  }

  /** Stops or goes on handing over what the peers send: meanwhile it waits with them. */
  setPaused(paused: boolean): void {
    this.#isPaused = paused;
    for (const peer of this.#peers.values()) peer.setPaused(paused);
  }

  setRef(refed: boolean): void {
    this.#refed = refed;
    const { server } = this.#server;
    if (refed) server.ref();
    else server.unref();
    this.#dialer.setRef(refed);
    for (const peer of this.#peers.values()) peer.setRef(refed);
  }

  /**
   * Sends what was accepted, then leaves, whatever fails on the way.
   *
   * @param timeout milliseconds that peers have which do not answer
   * @throws {ShmError} the first failure, after everything is closed
   */
  async close(timeout: number): Promise<void> {
    this.#closed = true;
    let failure: unknown;
    const attempt = (action: () => void) => {
      try {
        action();
      } catch (error) {
        failure ??= error;
      }
    };
    attempt(() => this.#directory.hide());
    attempt(() => this.#server.close());
    for (const { presence } of this.#successors.values()) void presence.close();
    this.#early.dropAll();
    await withTimeLimit(timeout, late =>
      Promise.all([...this.#peers.values()].map(peer => peer.close(late))),
    );
    this.#dialer.close();
    this.#peers.clear();
    this.#ids.clear();
    if (failure !== undefined) throw systemError(failure, 'bus.close', this.#options.id);
  }
}
