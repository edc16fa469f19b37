import type { Socket } from 'node:net';
import type { ShmError } from '../../errors.js';
import type { Region } from '../../native/region.js';
import type { Consumer } from '../consumer.js';
import { LoopWaiter } from '../event-loop.js';
import type { Ends } from '../link/sharing.js';
import type { RegionMemory } from '../memory.js';
import type { Producer } from '../producer.js';
import { Ring } from '../ring.js';
import { parseAdaptive, type WaitStrategy } from '../wait.js';
import type { MessageEnds, Notify } from './ends.js';

/** One end of a channel over two rings: the usual case. */
export class RingEnds implements MessageEnds, Ends {
  readonly output: Producer;
  readonly input: Consumer;
  readonly capacity: number;
  readonly #receiving: LoopWaiter;
  readonly #draining: LoopWaiter;
  #needed = 0;
  #received: Notify | undefined;
  #drained: Notify | undefined;
  #region: Region | undefined;
  #socket: Socket | undefined;

  private constructor(output: Ring, input: Ring, wait: WaitStrategy | undefined) {
    // Each end remembers what the other has told it: nobody can go on in another's place.
    const { spin, adapts } = parseAdaptive('channel', wait);
    const options = { first: true, wait: { spin } };
    this.capacity = output.capacity;
    this.output = output.producer(options);
    try {
      this.input = input.consumer(options);
    } catch (error) {
      this.output.end();
      throw error;
    }
    this.#receiving = new LoopWaiter(
      this.input.side,
      this.input.ready,
      error => this.#received?.(error),
      adapts,
    );
    this.#draining = new LoopWaiter(
      this.output.side,
      () => this.output.hasRoom(this.#needed) || this.peerEnded(),
      error => this.#drained?.(error),
      adapts,
    );
  }

  /** Lays two rings into zeroed memory, and takes their first ends. */
  static create(
    output: RegionMemory,
    input: RegionMemory,
    capacity: number,
    wait: WaitStrategy | undefined,
  ): RingEnds {
    return new RingEnds(Ring.format(output, capacity), Ring.format(input, capacity), wait);
  }

  /** Takes the ends that are left. @throws {ShmError} as `Ring.open` and `Ring.producer` */
  static open(output: RegionMemory, input: RegionMemory, wait: WaitStrategy | undefined) {
    return new RingEnds(Ring.attach(output), Ring.attach(input), wait);
  }

  get sides() {
    return [this.output.side, this.input.side];
  }

  /** Hands over what is to be closed with these ends. */
  own(region: Region, socket?: Socket): this {
    this.#region = region;
    this.#socket = socket;
    if (!socket) return this;
    socket.on('data', () => socket.destroy()); // it has nothing to say any more
    socket.on('end', () => socket.destroy());
    socket.on('error', () => socket.destroy());
    if (socket.destroyed) this.#lost();
    else socket.once('close', () => this.#lost());
    return this;
  }

  prepare(): void {
    this.#receiving.prepare();
    this.#draining.prepare();
  }

  listen(received: Notify, drained: Notify): void {
    this.#received = received;
    this.#drained = drained;
  }

  awaitMessage(): void {
    this.#receiving.start();
  }

  awaitRoom(length: number): void {
    this.#needed = length;
    this.#draining.start();
  }

  peerEnded(): boolean {
    return this.output.side.peerEnded();
  }

  setRef(refed: boolean): void {
    this.#receiving.setRef(refed);
    this.#draining.setRef(refed);
    if (refed) this.#socket?.ref();
    else this.#socket?.unref();
  }

  error(code: string, operation: string, detail: string): ShmError {
    return this.output.side.error(code, operation, detail);
  }

  close(): Promise<void> {
    this.#receiving.close();
    this.#draining.close();
    this.output.end();
    this.input.close();
    this.#region?.close(true);
    this.#socket?.destroy();
    return Promise.resolve();
  }

  /** The socket beside the rings is closed: the peer has gone, in good order or not. */
  #lost(): void {
    for (const side of this.sides) side.lose();
    this.#receiving.sweep();
    this.#draining.sweep();
  }
}
