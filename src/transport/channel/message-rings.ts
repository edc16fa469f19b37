import type { Socket } from 'node:net';
import { ShmError } from '../../errors.js';
import { checkOptions } from '../../native/arguments.js';
import { Region } from '../../native/region.js';
import { Consumer, type RecordHandler } from '../ring/consumer.js';
import { LinkedRings } from '../link/linked-rings.js';
import { ringHeaderBytes } from '../ring/layout.js';
import { halves, type RegionMemory } from '../ring/memory.js';
import type { Producer } from '../ring/producer.js';
import { Ring } from '../ring/ring.js';
import { parseAdaptive, type WaitStrategy } from '../ring/wait-strategy.js';
import type { MessageEnds } from './message-ends.js';
import {
  type ChannelCreateOptions,
  channelRules,
  createRules,
  defaultCapacity,
} from './channel-options.js';

type RingsOptions = Pick<ChannelCreateOptions<never>, 'capacity' | 'directory' | 'wait'>;

/** One end of a channel over two rings: the usual case. */
export class MessageRings extends LinkedRings<Producer, Consumer> implements MessageEnds {
  #region: Region | undefined;
  #socket: Socket | undefined;
  #refed = true;

  /** Makes a region and takes the first ends of the two rings in it. */
  static inNewRegion(options: RingsOptions): MessageRings {
    checkOptions('channel.create', options, createRules);
    const { capacity = defaultCapacity, directory, wait } = options;
    const bytes = 2 * (ringHeaderBytes + capacity);
    const region = Region.create({
      ...{ bytes, kind: 'ring', operation: 'channel.create' },
      ...(directory !== undefined && { directory }),
    });
    return MessageRings.#owning(region, () => {
      const [output, input] = halves(region);
      return MessageRings.create(output, input, capacity, wait);
    });
  }

  /** Opens a region and takes the ends that are left of the two rings in it. */
  static inRegion(path: string, options: RingsOptions): MessageRings {
    checkOptions('channel.open', options, channelRules);
    const { wait } = options;
    const region = Region.open(path, { operation: 'channel.open' });
    return MessageRings.#owning(region, () => {
      const [input, output] = halves(region);
      return MessageRings.open(output, input, wait);
    });
  }

  /** Gives the region back where its rings cannot be taken. */
  static #owning(region: Region, take: () => MessageRings): MessageRings {
    try {
      return take().own(region);
    } catch (error) {
      region.close();
      throw error;
    }
  }

  /** Lays two rings into zeroed memory, and takes their first ends. */
  static create(
    output: RegionMemory,
    input: RegionMemory,
    capacity: number,
    wait: WaitStrategy | undefined,
  ): MessageRings {
    return MessageRings.#take(Ring.format(output, capacity), Ring.format(input, capacity), wait);
  }

  /** Takes the ends that are left. @throws {ShmError} as `Ring.open` and `Ring.producer` */
  static open(
    output: RegionMemory,
    input: RegionMemory,
    wait: WaitStrategy | undefined,
  ): MessageRings {
    return MessageRings.#take(Ring.attach(output), Ring.attach(input), wait);
  }

  static #take(output: Ring, input: Ring, wait: WaitStrategy | undefined): MessageRings {
    const { spin, adapts } = parseAdaptive('channel', wait);
    // Each end remembers what the other said before: nobody can go on for another one.
    const claim = (use: string) => ({
      first: true,
      wait: { spin },
      operations: { attach: 'channel.open', use },
    });
    const producer = output.producer(claim('channel.send'));
    try {
      return new MessageRings(producer, input.consumer(claim('channel.receive')), adapts);
    } catch (error) {
      producer.end();
      throw error;
    }
  }

  /** From now on these are closed with the ends. */
  own(region: Region, socket?: Socket): this {
    this.#region = region;
    this.#socket = socket;
    if (!socket) return this;
    if (!this.#refed) socket.unref();
    socket.on('data', () => socket.destroy()); // it has nothing to say any more
    socket.on('end', () => socket.destroy());
    socket.on('error', () => socket.destroy());
    if (socket.destroyed) this.#lost();
    else socket.once('close', () => this.#lost());
    return this;
  }

  /** Of the region that holds the rings. */
  get path(): string {
    return this.output.roleHolder.memory.address;
  }

  /** Bytes each direction holds. */
  get capacity(): number {
    return this.output.records.length;
  }

  peerEnded(): boolean {
    return this.output.roleHolder.peerEnded();
  }

  override setRef(refed: boolean): void {
    super.setRef(refed);
    this.#refed = refed;
    if (refed) this.#socket?.ref();
    else this.#socket?.unref();
  }

  poison(): void {
    for (const role of this.roles) role.poison('receive', 'what came is no message');
  }

  error(code: string, operation: string, detail: string): ShmError {
    return new ShmError(
      code,
      detail,
      `channel.${operation}`,
      this.output.roleHolder.memory.address,
    );
  }

  endAtExit(): void {
    this.output.end();
    this.input.close();
  }

  close(): Promise<void> {
    this.stopWaiting();
    this.output.end();
    this.input.close();
    this.#region?.close(true);
    this.#socket?.destroy();
    return Promise.resolve();
  }

  /**
   * Reads back what was written, where the peer never took these rings: the reader's role can be
   * taken once.
   */
  reclaim(handler: RecordHandler): void {
    const { memory } = this.output.roleHolder;
    this.output.end();
    let consumer: Consumer;
    try {
      consumer = Consumer.make(memory, this.output.records.length, { first: true });
    } catch (error) {
      if (error instanceof ShmError && error.code === 'ERR_ROLE_TAKEN') return; // the peer reads it
      throw error;
    }
    try {
      consumer.drain(handler);
    } finally {
      consumer.close();
    }
  }

  /** The socket beside the rings is closed: the peer has gone, in good order or not. */
  #lost(): void {
    for (const role of this.roles) role.markPeerLost();
    try {
      this.receiving.sweep();
    } finally {
      this.draining.sweep();
    }
  }
}
