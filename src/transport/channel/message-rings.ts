import type { Socket } from 'node:net';
import { ShmError } from '../../errors.js';
import { Region } from '../../native/region.js';
import { Consumer } from '../ring/consumer.js';
import type { RecordHandler } from '../ring/record-handlers.js';
import { LinkedRings } from '../link/linked-rings.js';
import { ringHeaderBytes } from '../ring/layout.js';
import { halves, type RegionMemory } from '../ring/memory.js';
import type { Producer } from '../ring/producer.js';
import { Ring } from '../ring/ring.js';
import { parseAdaptive, type WaitStrategy } from '../ring/wait-strategy.js';
import type { MessageEnds } from './message-ends.js';
import {
  type ChannelCreateOptions,
  type ChannelHandle,
  defaultCapacity,
} from './channel-options.js';
import { RingPieceCollector } from './piece-collector.js';
import { RingPieces } from './ring-pieces.js';

/** How rings are read and waited for. */
export interface RingUse {
  readonly wait?: WaitStrategy | undefined;
  /** Bytes of a message that may come. */
  readonly maxMessage: number;
}

export type RingsOptions = Pick<ChannelCreateOptions<never>, 'capacity' | 'directory'> & RingUse;

/** One end of a channel over two rings: the usual case. */
export class MessageRings extends LinkedRings<Producer, Consumer> implements MessageEnds {
  #region: Region | undefined;
  #socket: Socket | undefined;
  #refed = true;
  readonly pieces: RingPieces;
  readonly #collector: RingPieceCollector;

  /** Makes a region and takes the first ends of the two rings in it. */
  static inNewRegion(options: RingsOptions): MessageRings {
    const { capacity = defaultCapacity, directory } = options;
    const bytes = 2 * (ringHeaderBytes + capacity);
    const region = Region.create({
      ...{ bytes, kind: 'ring', operation: 'channel.create' },
      ...(directory !== undefined && { directory }),
    });
    return MessageRings.#owning(region, () => {
      const [output, input] = halves(region);
      return MessageRings.create(output, input, capacity, options);
    });
  }

  /** Opens a region and takes the ends that are left of the two rings in it. */
  static inRegion(path: string, use: RingUse): MessageRings {
    const region = Region.open(path, { operation: 'channel.open' });
    return MessageRings.#owning(region, () => {
      const [input, output] = halves(region);
      return MessageRings.open(output, input, use);
    });
  }

  /** Gives the region back where its rings cannot be taken. */
  static #owning(region: Region, take: () => MessageRings): MessageRings {
    try {
      return take().own(region);
    } catch (error) {
      region.close(true);
      throw error;
    }
  }

  /** Lays two rings into zeroed memory, and takes their first ends. */
  static create(
    output: RegionMemory,
    input: RegionMemory,
    capacity: number,
    use: RingUse,
  ): MessageRings {
    return MessageRings.#take(Ring.format(output, capacity), Ring.format(input, capacity), use);
  }

  /** Takes the ends that are left. @throws {ShmError} as `Ring.open` and `Ring.producer` */
  static open(output: RegionMemory, input: RegionMemory, use: RingUse): MessageRings {
    return MessageRings.#take(Ring.attach(output), Ring.attach(input), use);
  }

  static #take(output: Ring, input: Ring, { wait, maxMessage }: RingUse): MessageRings {
    const { spin, adapts } = parseAdaptive('channel', wait);
    // Each end remembers what the other said before: nobody can go on for another one.
    const claim = (use: string) => ({
      first: true,
      wait: { spin },
      operations: { attach: 'channel.open', use },
    });
    const producer = output.producer(claim('channel.send'));
    try {
      const corrupt = (detail: string) => consumer.roleHolder.poison('read', detail);
      const pieces = new RingPieceCollector(maxMessage, corrupt);
      const consumer = input.consumer({ ...claim('channel.receive'), pieces });
      return new MessageRings(producer, consumer, adapts, pieces);
    } catch (error) {
      producer.end();
      throw error;
    }
  }

  private constructor(
    output: Producer,
    input: Consumer,
    adapts: boolean,
    collector: RingPieceCollector,
  ) {
    super(output, input, adapts);
    this.pieces = new RingPieces(output);
    this.#collector = collector;
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

  /** For the other end. */
  get handle(): ChannelHandle {
    const { output } = this;
    return { path: output.roleHolder.memory.address, capacity: output.records.length };
  }

  get isPartial(): boolean {
    return this.#collector.active;
  }

  peerEnded(): boolean {
    return this.output.roleHolder.peerEnded();
  }

  override setRef(refed: boolean, listens = true): void {
    super.setRef(refed);
    this.receiving.setRef(refed && listens);
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

  stopReading(): void {
    this.receiving.close();
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
   * taken once. A message whose pieces are not all there is left out.
   *
   * @returns false: the peer took them after all
   */
  reclaim(handler: RecordHandler): boolean {
    const { memory } = this.output.roleHolder;
    let consumer: Consumer;
    try {
      const own = (detail: string) => this.error('ERR_CORRUPT', 'send', detail);
      const pieces = new RingPieceCollector(Infinity, own);
      consumer = Consumer.make(memory, this.output.records.length, { first: true, pieces });
    } catch (error) {
      if (error instanceof ShmError && error.code === 'ERR_ROLE_TAKEN') return false; // the peer reads it
      throw error;
    }
    this.output.end();
    try {
      while (!consumer.ended) consumer.drain(handler);
      return true;
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
