import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { invalidArgument, ShmError } from '../../errors.js';
import { queueMicrotask } from '../../timers.js';
import { defaultCapacity } from '../channel/options.js';
import type { CodecOption } from '../codec/types.js';
import { checkCapacity } from '../ring/layout.js';
import type { WaitStrategy } from '../ring/wait.js';
import {
  type Envelope,
  EnvelopeKind,
  errorOf,
  type Failure,
  failureOf,
  shortened,
} from './envelope.js';
import { longestId, Mesh, type MeshOptions } from './mesh.js';
import { isLeaving, type LeaveReason, type Peer } from './peer.js';
import { PendingRequests, type RequestOptions } from './pending-requests.js';

export interface BusOptions<T> {
  /** This peer's id: no other live one of the bus may have it. @default a random one */
  id?: string;
  /** Where the peers find each other. @default the per-user region directory */
  directory?: string;
  /** Turns values into bytes and back; the same at all peers. @default 'structured' */
  codec?: CodecOption<T>;
  /**
   * Bytes each direction between two peers holds, once they talk: a power of two from 4 KiB
   * to 1 GiB; a message takes at most half. Of two peers' capacities the smaller counts.
   * @default 1 MiB
   */
  capacity?: number;
  /** How this peer waits. @default 'park' */
  wait?: WaitStrategy;
}

export interface BusEvents<T> {
  message: [value: T, from: string];
  join: [id: string];
  leave: [id: string, reason: LeaveReason];
  drain: [id: string];
  error: [error: Error];
  close: [];
}

type Handler<T> = (value: T, from: string) => T | Promise<T>;

/**
 * Every peer talks to every other, directly: cluster workers, threads, processes that know
 * nothing of each other but the bus's name. Messages between two peers arrive in the order
 * they were sent, none is lost while both live.
 *
 * Events:
 * - `message` (value, from): from the first listener on; before that, messages wait at their
 *   senders
 * - `join` (id), `leave` (id, reason): 'closed', or 'died' where the peer was killed or ended
 *   without `close`; after everything it had sent was delivered
 * - `drain` (id): there is room again for a peer, after `send` said false
 * - `error`: a link broke that should not have (`ERR_CORRUPT`)
 * - `close`: this peer has left
 *
 * @example
 * const bus = await Bus.join<Job>('jobs');
 * bus.on('message', (job, from) => …);
 * for (const id of bus.peers) if (!bus.send(id, job)) await bus.ready(id);
 */
export class Bus<T = unknown> extends EventEmitter<BusEvents<T>> {
  readonly id: string;
  readonly #mesh: Mesh;
  readonly #asking = new PendingRequests();
  #handler: Handler<T> | undefined;
  #flowing = false;
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
    const { id = randomUUID(), capacity = defaultCapacity } = options;
    if (typeof id !== 'string' || id === '' || id.length > longestId) {
      throw invalidArgument('bus.join', 'id', `a text of 1 to ${longestId} characters`, id);
    }
    checkCapacity('bus.join', capacity);
    const bus = new Bus<T>({ ...options, name, id, capacity, directory: options.directory });
    try {
      await bus.#mesh.join();
    } catch (error) {
      await bus.close();
      throw error;
    }
    return bus;
  }

  private constructor(options: MeshOptions) {
    super();
    this.id = options.id;
    this.#mesh = new Mesh(options, {
      joined: peer => this.emit('join', peer.id),
      left: (peer, reason) => this.#left(peer, reason),
      received: (peer, envelope) => this.#receive(peer, envelope),
      drained: peer => this.emit('drain', peer.id),
      failed: (error, peer) => this.#failed(error, peer),
    });
    (this as EventEmitter).on('newListener', (event: string) => {
      // In a later turn, so that other listeners can be added beside it.
      if (event === 'message') queueMicrotask(() => this.#flow());
    });
  }

  /** The ids of the others that are there. Changes as they come and go. */
  get peers(): ReadonlySet<string> {
    return this.#mesh.ids;
  }

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
   * @throws {ShmError} as {@link send}
   */
  broadcast(value: T): string[] {
    this.#checkOpen('broadcast');
    const full: string[] = [];
    const envelope: Envelope = { kind: EnvelopeKind.message, id: 0, value };
    for (const peer of this.#mesh.peers.values()) {
      if (!peer.present) continue;
      try {
        if (!peer.send(envelope)) full.push(peer.id);
      } catch (error) {
        if (!isLeaving(error)) throw error;
      }
    }
    return full;
  }

  /**
   * Asks a peer, whose {@link onRequest} handler answers.
   *
   * @returns its answer
   * @throws {ShmError} (rejects) as {@link send}; `ETIMEDOUT`; the signal's reason;
   *   `ERR_PEER_DIED` or `ERR_PEER_CLOSED` where it left before it answered,
   *   `ERR_NO_HANDLER`. What the handler throws arrives as an Error with its name, message
   *   and code.
   */
  async request(to: string, value: T, options: RequestOptions = {}): Promise<T> {
    const peer = this.#peer('request', to);
    this.#flow();
    const { request } = EnvelopeKind;
    const post = (id: number) => this.#post(peer, { kind: request, id, value });
    return (await this.#asking.ask(peer, options, post)) as T;
  }

  /** Answers what others ask, from now on; a second handler replaces the first. */
  onRequest(handler: Handler<T>): void {
    if (typeof handler !== 'function') {
      throw invalidArgument('bus.onRequest', 'handler', 'a function', handler);
    }
    this.#handler = handler;
    this.#flow();
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
   * Delivers what was accepted, then leaves; the others see `leave` with 'closed'. Requests
   * that have no answer yet are rejected with `ERR_CLOSED`.
   */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #left(peer: Peer, reason: LeaveReason): void {
    const code = reason === 'died' ? 'ERR_PEER_DIED' : 'ERR_PEER_CLOSED';
    const detail = `the peer ${reason} before it answered`;
    this.#asking.fail(new ShmError(code, detail, 'bus.request', peer.id), peer);
    if (!this.closed) this.emit('leave', peer.id, reason);
  }

  /** What was asked over a broken link may never have arrived, or its answer may not. */
  #failed(error: Error, peer: Peer | undefined): void {
    if (peer) this.#asking.fail(error, peer);
    this.emit('error', error);
  }

  #flow(): void {
    if (this.#flowing || this.closed) return;
    this.#flowing = true;
    this.#mesh.flow();
  }

  #receive(peer: Peer, { kind, id, value }: Envelope): void {
    if (kind === EnvelopeKind.message) {
      this.emit('message', value as T, peer.id);
    } else if (kind === EnvelopeKind.request) {
      void this.#answer(peer, id, value as T);
    } else if (kind === EnvelopeKind.reply) {
      this.#asking.answer(peer, id, asked => asked.resolve(value));
    } else {
      this.#asking.answer(peer, id, asked => asked.reject(errorOf(value as Failure)));
    }
  }

  async #answer(peer: Peer, id: number, value: T): Promise<void> {
    const { reply } = EnvelopeKind;
    try {
      if (!this.#handler) {
        throw new ShmError(
          'ERR_NO_HANDLER',
          'nobody answers requests here',
          'bus.request',
          this.id,
        );
      }
      const answer = await this.#handler(value, peer.id);
      await this.#post(peer, { kind: reply, id, value: answer });
    } catch (error) {
      // Also where the answer cannot be sent as it is.
      await this.#postFailure(peer, id, failureOf(error)).catch(() => {}); // nobody waits
    }
  }

  async #postFailure(peer: Peer, id: number, value: Failure): Promise<void> {
    const { failure } = EnvelopeKind;
    try {
      await this.#post(peer, { kind: failure, id, value });
    } catch (error) {
      if ((error as ShmError).code !== 'ERR_TOO_LARGE') throw error;
      await this.#post(peer, { kind: failure, id, value: shortened(value) });
    }
  }

  /** Sends when there is room. */
  async #post(peer: Peer, envelope: Envelope): Promise<void> {
    while (peer.present && !peer.send(envelope)) await peer.ready();
  }

  #peer(operation: string, id: string): Peer {
    this.#checkOpen(operation);
    const peer = this.#mesh.peers.get(id);
    if (peer?.present) return peer;
    throw new ShmError('ERR_UNKNOWN_PEER', 'no such peer is there', `bus.${operation}`, id);
  }

  #checkOpen(operation: string): void {
    if (!this.closed) return;
    throw new ShmError('ERR_CLOSED', 'the bus was closed', `bus.${operation}`, this.id);
  }

  async #close(): Promise<void> {
    this.#asking.fail(new ShmError('ERR_CLOSED', 'the bus was closed', 'bus.request', this.id));
    await this.#mesh.close();
    this.emit('close');
  }
}
