import { atExit } from '../../native/at-exit.js';
import type { SerializationMode } from './control-messages.js';
import { Incoming } from './incoming.js';
import type { Send } from './node-ipc.js';
import { Outgoing } from './outgoing.js';
import { SharedRings } from './shared-rings.js';
import type { TrafficEnd } from './traffic-end.js';

/**
 * What goes through shared memory, as one end sees it. All that the hooks do not need before there
 * is memory is loaded with this file.
 */
export class RingTraffic {
  readonly #rings: SharedRings;
  readonly #outgoing: Outgoing;
  readonly #incoming: Incoming;
  readonly #leaveAtExit: () => void;

  /** Makes a region for the other end. @throws {ShmError} as `SharedRings.create` */
  static create(end: TrafficEnd, mode: SerializationMode): RingTraffic {
    return new RingTraffic(end, SharedRings.create(mode));
  }

  /**
   * Opens the region of the other end, whose name goes.
   *
   * @throws {ShmError} as `SharedRings.open`; an error where the other end cannot be woken
   */
  static open(end: TrafficEnd, path: string, mode: SerializationMode): RingTraffic {
    const rings = SharedRings.open(path, mode);
    rings.unlink();
    if (!rings.ringPeer()) {
      rings.close();
      throw new Error('the parent cannot be woken from here');
    }
    return new RingTraffic(end, rings);
  }

  /** From now on the other end may use the rings. */
  private constructor(end: TrafficEnd, rings: SharedRings) {
    this.#rings = rings;
    const broken = () => this.#breakOff(end);
    this.#incoming = new Incoming(end, rings, broken);
    this.#outgoing = new Outgoing(end, broken);
    this.#leaveAtExit = atExit(() => this.#outgoing.flushAtExit());
    rings.listen(
      (error, temporary) => this.#incoming.inputCame(error, temporary),
      (error, temporary) => this.#outgoing.roomCame(error, temporary),
    );
  }

  /**
   * The other end broke the rules, and what it sent is lost: the channel ends, as for one that died.
   */
  #breakOff({ target }: TrafficEnd): void {
    this.close();
    if (target.connected) target.disconnect();
  }

  get path(): string {
    return this.#rings.path;
  }

  /** Both have the region open: it goes with them now, however they go. */
  unlink(): void {
    this.#rings.unlink();
  }

  /** From now on this end uses its ring, where it can wake the other one. */
  start(): boolean {
    if (this.#rings.closed || !this.#rings.ringPeer()) return false;
    this.#outgoing.use(this.#rings);
    return true;
  }

  /** Node's `_send`. */
  get send(): Send {
    return this.#outgoing.send;
  }

  /** Something accepted has not been sent. */
  get isWaiting(): boolean {
    return this.#outgoing.isWaiting;
  }

  whenFlushed(then: () => void): void {
    this.#outgoing.whenFlushed(then);
  }

  /** The other end has said over the socket that it goes on in the ring. */
  switched(): void {
    this.#incoming.switched();
  }

  /** See {@link Incoming.collect}. */
  collect(): void {
    this.#incoming.collect();
  }

  /** See {@link Incoming.collectRest}. */
  collectRest(): boolean {
    return this.#incoming.collectRest();
  }

  /** From now on everything goes by the socket; what waits is dropped. */
  stop(): void {
    this.#outgoing.stop();
  }

  close(): void {
    this.#leaveAtExit();
    this.#outgoing.stop();
    this.#rings.close();
  }
}
