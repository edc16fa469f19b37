import type { Socket } from 'node:net';
import type { ShmError } from '../../errors.js';
import type { Region } from '../../native/region.js';
import type { Consumer } from '../consumer.js';
import { LinkedEnds } from '../link/linked-ends.js';
import type { RegionMemory } from '../memory.js';
import type { Producer } from '../producer.js';
import { Ring } from '../ring.js';
import { parseAdaptive, type WaitStrategy } from '../wait.js';
import type { MessageEnds } from './ends.js';

/** One end of a channel over two rings: the usual case. */
export class RingEnds extends LinkedEnds<Producer, Consumer> implements MessageEnds {
  #region: Region | undefined;
  #socket: Socket | undefined;

  /** Lays two rings into zeroed memory, and takes their first ends. */
  static create(
    output: RegionMemory,
    input: RegionMemory,
    capacity: number,
    wait: WaitStrategy | undefined,
  ): RingEnds {
    return RingEnds.#take(Ring.format(output, capacity), Ring.format(input, capacity), wait);
  }

  /** Takes the ends that are left. @throws {ShmError} as `Ring.open` and `Ring.producer` */
  static open(output: RegionMemory, input: RegionMemory, wait: WaitStrategy | undefined): RingEnds {
    return RingEnds.#take(Ring.attach(output), Ring.attach(input), wait);
  }

  static #take(output: Ring, input: Ring, wait: WaitStrategy | undefined): RingEnds {
    const { spin, adapts } = parseAdaptive('channel', wait);
    // Each end remembers what the other has told it: nobody can go on in another's place.
    const options = { first: true, wait: { spin } };
    const producer = output.producer(options);
    try {
      return new RingEnds(producer, input.consumer(options), adapts);
    } catch (error) {
      producer.end();
      throw error;
    }
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

  peerEnded(): boolean {
    return this.output.side.peerEnded();
  }

  override setRef(refed: boolean): void {
    super.setRef(refed);
    if (refed) this.#socket?.ref();
    else this.#socket?.unref();
  }

  poison(): void {
    for (const side of this.sides) side.poison('receive', 'what came is no message');
  }

  error(code: string, operation: string, detail: string): ShmError {
    return this.output.side.error(code, operation, detail);
  }

  close(): Promise<void> {
    this.stopWaiting();
    this.output.end();
    this.input.close();
    this.#region?.close(true);
    this.#socket?.destroy();
    return Promise.resolve();
  }

  /** The socket beside the rings is closed: the peer has gone, in good order or not. */
  #lost(): void {
    for (const side of this.sides) side.lose();
    this.receiving.sweep();
    this.draining.sweep();
  }
}
