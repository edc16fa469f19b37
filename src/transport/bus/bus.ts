import { randomUUID } from 'node:crypto';
import { invalidArgument, ShmError } from '../../errors.js';
import { checkOptions, notConstructed } from '../../native/arguments.js';
import { nextTick } from '../../timers.js';
import { defaultCapacity } from '../channel/channel-options.js';
import { MessageEmitter } from '../ring/message-emitter.js';
import { Answers } from './answers.js';
import { type Envelope, EnvelopeKind, errorOf, type Failure } from './envelope.js';
import { HeldMessages } from './held-messages.js';
import { longestId } from './greeting.js';
import { Mesh, type MeshOptions } from './mesh.js';
import {
  type BusEvents,
  type BusOptions,
  type BusStats,
  type LeaveReason,
  type RequestOptions,
  type Route,
  type RequestHandler,
  busRules,
  requestRules,
} from './bus-options.js';
import { isLeaving } from './outbox.js';
import type { Peer } from './peer.js';
import { PendingRequests } from './pending-requests.js';

/** Milliseconds that peers which do not answer are waited for at the close. */
const defaultCloseTimeout = 5000;

/**
 * Every peer talks to every other, directly: cluster workers, threads, processes that know
 * nothing of each other but the bus's name. Messages between two peers arrive in the order
 * they were sent, none is lost while both live.
 *
 * Events, whose listeners run in the asynchronous context in which the bus was joined:
 * - `message` (value, from): while nobody listens, messages wait: about as many bytes of them as the
 *   capacity here, and what was under way; the rest at their senders
 * - `join` (id), `leave` (id, reason): 'closed', or 'died' where the peer was killed or ended
 *   without `close`; after everything it had sent was delivered
 * - `drain` (id): there is room again for a peer, after `send` said false
 * - `route` (id, route, reason): messages to a peer go over a socket, and why; or through memory again
 * - `error`: a link broke that should not have (`ERR_CORRUPT`), or cannot be made (the errno name);
 *   no peer can be accepted at the moment, for lack of file descriptors (without a listener a warning)
 * - `close`: this peer has left
 *
 * @example
 * const bus = await Bus.join<Job>('jobs');
 * bus.on('message', (job, from) => console.log(from, job));
 * for (const id of bus.peers) while (!bus.send(id, job)) await bus.ready(id);
 */
export class Bus<T = unknown> extends MessageEmitter<BusEvents<T>> {
  /** This peer's name on the bus. */
  readonly id: string;
  readonly #mesh: Mesh;
  readonly #pending = new PendingRequests();
  readonly #held: HeldMessages;
  readonly #requestTimeout: number | undefined;
  readonly #closeTimeout: number;
  readonly #answers: Answers<T>;
  #closing: Promise<void> | undefined;

  /**
   * Joins the bus of that name; makes it, where nobody is there yet.
   *
   * @returns once all peers that were there are known, see {@link peers}
   * @throws {ShmError} `ERR_ID_TAKEN` where a live peer has the id; `ERR_INVALID_ARG`,
   *   `ERR_OUT_OF_RANGE`, `ERR_UNSAFE_DIRECTORY`. Nothing is left then.
   */
  static async join<T = unknown>(name: string, options: BusOptions<T> = {}): Promise<Bus<T>> {
    if (typeof name !== 'string' || name === '') {
      throw invalidArgument('bus.join', 'name', 'a text', name);
    }
    checkOptions('bus.join', options, busRules);
    const { id = randomUUID(), capacity = defaultCapacity } = options;
    if (typeof id !== 'string' || id === '' || id.length > longestId) {
      throw invalidArgument('bus.join', 'id', `a text of 1 to ${longestId} characters`, id);
    }
    const bus = new Bus<T>({ ...options, name, id, capacity });
    try {
      await bus.#mesh.join();
    } catch (error) {
      await bus.close().catch(() => {}); // why joining failed says more
      throw error;
    }
    bus.#answers.joined();
    return bus;
  }

  private constructor(options: BusOptions<T> & { name: string; id: string; capacity: number }) {
    if (typeof options?.name !== 'string') notConstructed('Bus', 'await Bus.join(name)');
    super('MMAP_BUS');
    const { id, capacity, directory, requestTimeout, closeTimeout } = options;
    this.id = id;
    this.#answers = new Answers(id);
    this.#requestTimeout = requestTimeout;
    this.#closeTimeout = closeTimeout ?? defaultCloseTimeout;
    const meshOptions: MeshOptions = {
      ...(options as BusOptions<unknown> & { name: string }),
      ...{ id, capacity, directory, scope: this.scope },
    };
    this.#mesh = new Mesh(meshOptions, {
      joined: peer => this.#joined(peer),
      failed: error => this.#later(() => this.emit('error', error)),
      lacking: error => this.#later(() => this.emitPassing(error)),
      linkFailed: (...what) => this.#linkFailed(...what),
      routed: peer => this.#whileOpen(() => this.emit('route', ...this.#routeOf(peer))),
      left: (peer, reason) => this.#left(peer, reason),
      received: (peer, envelope) => this.#receive(peer, envelope),
      drained: peer => this.#whileOpen(() => this.emit('drain', peer.id)),
    });
    this.#held = new HeldMessages(
      capacity,
      paused => this.#mesh.setPaused(paused),
      () => this.listening && !this.closed,
    );
  }

  /** The ids of those that can be sent to. Changes as they come and go, before `leave` is emitted. */
  get peers(): ReadonlySet<string> {
    return this.#mesh.ids;
  }

  /** Whether `close()` was called. */
  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * Sends a value to one peer, unless it is so far behind that there is no room.
   *
   * @returns false: full, and the value was not sent; `drain` follows once there is room
   * @throws {ShmError} `ERR_UNKNOWN_PEER` where no such peer is there (any more),
   *   `ERR_PEER_CLOSED` where it is about to leave, `ERR_TOO_LARGE`, `ERR_CLOSED`; and what
   *   the codec throws for a value that it does not take. Nothing was sent then.
   */
  send(to: string, value: T): boolean {
    return this.#peer('send', to).send({ kind: EnvelopeKind.message, id: 0, value });
  }

  /**
   * Sends a value to every peer there is.
   *
   * @returns the ids of those that had no room, and did not get it
   * @throws {ShmError} as {@link send}; `ERR_TOO_LARGE` where it is too long for the capacity of
   *   some peer, after it was sent to the others
   */
  broadcast(value: T): string[] {
    this.#checkOpen('broadcast');
    const full: string[] = [];
    let tooLarge: unknown;
    const envelope: Envelope = { kind: EnvelopeKind.message, id: 0, value };
    for (const peer of this.#mesh.peers.values()) {
      if (!peer.present) continue;
      try {
        if (!peer.send(envelope)) full.push(peer.id);
      } catch (error) {
        if ((error as ShmError).code === 'ERR_TOO_LARGE') tooLarge = error;
        else if (!isLeaving(error)) throw error;
      }
    }
    if (tooLarge !== undefined) throw tooLarge as ShmError;
    return full;
  }

  /**
   * Asks a peer, whose {@link onRequest} handler answers.
   *
   * @returns its answer
   * @throws {ShmError} (rejects) as {@link send}; `ETIMEDOUT`; the signal's reason;
   *   `ERR_PEER_DIED` or `ERR_PEER_CLOSED` where it left before it answered; `ERR_NO_HANDLER`
   *   where it has no handler, nor sets one within a second of the first request that it gets.
   *   What the handler throws arrives as an Error with its name, message and code.
   */
  async request(to: string, value: T, options: RequestOptions = {}): Promise<T> {
    const peer = this.#peer('request', to);
    checkOptions('bus.request', options, requestRules);
    const { request } = EnvelopeKind;
    const { timeout = this.#requestTimeout } = options;
    const limits = { ...options, ...(timeout !== undefined && { timeout }) };
    return (await this.#pending.ask(peer, limits, (id, settle) =>
      peer.post({ kind: request, id, value }, settle),
    )) as T;
  }

  /** Answers what others ask, from now on; a second handler replaces the first. */
  onRequest(handler: RequestHandler<T>): void {
    if (typeof handler !== 'function') {
      throw invalidArgument('bus.onRequest', 'handler', 'a function', handler);
    }
    this.#answers.setHandler(handler);
  }

  /** Resolves once `send` to that peer may succeed again. @throws {ShmError} as `send` */
  ready(to: string): Promise<void> {
    return this.#peer('ready', to).ready();
  }

  /** The bus keeps the process alive; the default. */
  ref(): this {
    this.#mesh.setRef(true);
    return this;
  }

  /** The bus no longer keeps the process alive. */
  unref(): this {
    this.#mesh.setRef(false);
    return this;
  }

  /**
   * How messages reach a peer. Shared memory is what is expected as long as there is no link yet.
   *
   * @throws {ShmError} `ERR_UNKNOWN_PEER`, `ERR_CLOSED`
   */
  route(id: string): Route {
    return this.#routeOf(this.#peer('route', id))[1];
  }

  /** The other peers, and what waits here; a snapshot. */
  stats(): BusStats {
    const present = [...this.#mesh.peers.values()].filter(peer => peer.present);
    const peers = present.map(peer => {
      const { id, fallbackReason, isLinked: linked } = peer;
      return { id, route: this.#routeOf(peer)[1], fallbackReason, linked };
    });
    return { peers, pendingRequests: this.#pending.size, heldMessages: this.#held.size };
  }

  /**
   * Delivers what was accepted, then leaves; the others see `leave` with 'closed'. From the call on
   * there are no events but `error` and `close`, and what comes is dropped. Requests that have no
   * answer yet are rejected with `ERR_CLOSED`. Peers that do not answer, for example because they are
   * stopped, are waited for as long as `closeTimeout` says: what was accepted for them and waits for
   * their link, or for room, is lost then.
   *
   * @throws {ShmError} (rejects) what failed on the way; the bus is closed all the same
   */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  /** The same as `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** At once: a reader of `peers` that also listens for `join` learns of each peer by one of the two. */
  #joined(peer: Peer): void {
    if (!this.closed) this.#now(() => this.emit('join', peer.id));
  }

  #left(peer: Peer, reason: LeaveReason): void {
    const code = reason === 'died' ? 'ERR_PEER_DIED' : 'ERR_PEER_CLOSED';
    const detail = `the peer ${reason} before it answered`;
    this.#pending.fail(new ShmError(code, detail, 'bus.request', peer.id), peer);
    if (!this.closed) this.#now(() => this.emit('leave', peer.id, reason));
  }

  /** What was asked over a broken link may never have arrived, or its answer may not. */
  #linkFailed(peer: Peer, error: Error, isLost: boolean): void {
    if (isLost) this.#pending.fail(error, peer);
    this.#later(() => this.emit('error', error));
  }

  /** What a listener throws does not keep the caller from going on. */
  #now(action: () => void): void {
    try {
      this.scope.run(action);
    } catch (error) {
      nextTick(() => {
        throw error;
      });
    }
  }

  #later(action: () => void): void {
    nextTick(() => this.scope.run(action));
  }

  #whileOpen(action: () => void): void {
    this.#later(() => this.closed || action());
  }

  #routeOf({ id, fallbackReason }: Peer): [id: string, route: Route, reason?: string] {
    return fallbackReason === undefined ? [id, 'memory'] : [id, 'socket', fallbackReason];
  }

  /** @internal */
  protected override startFlow(): void {
    this.#held.release((value, from) => this.emit('message', value as T, from));
  }

  #receive(peer: Peer, { kind, id, value, bytes }: Envelope): void {
    if (this.closed) return; // a listener that answered would fail; requests of its own have failed
    if (kind === EnvelopeKind.message) {
      if (this.listening && this.#held.size === 0) this.emit('message', value as T, peer.id);
      else peer.countHeld(this.#held.add(value, peer.id, bytes ?? 0));
    } else if (kind === EnvelopeKind.request) {
      void this.#answers.answer(peer, id, value as T, bytes);
    } else if (kind === EnvelopeKind.reply) {
      this.#pending.answer(peer, id, asked => asked.resolve(value));
    } else if (kind === EnvelopeKind.failure) {
      this.#pending.answer(peer, id, asked => asked.reject(errorOf(value as Failure)));
    }
  }

  #peer(operation: string, id: string): Peer {
    this.#checkOpen(operation);
    const peer = this.#mesh.peers.get(id);
    if (peer?.present) return peer;
    if (typeof id !== 'string') {
      throw invalidArgument(`bus.${operation}`, 'id', 'the id of a peer, a text', id);
    }
    throw new ShmError('ERR_UNKNOWN_PEER', 'no such peer is there', `bus.${operation}`, id);
  }

  #checkOpen(operation: string): void {
    if (!this.closed) return;
    throw new ShmError('ERR_CLOSED', 'the bus was closed', `bus.${operation}`, this.id);
  }

  async #close(): Promise<void> {
    this.#pending.fail(new ShmError('ERR_CLOSED', 'the bus was closed', 'bus.request', this.id));
    try {
      await this.#mesh.close(this.#closeTimeout);
    } finally {
      this.#later(() => this.emit('close'));
    }
  }
}
