import { BroadcastChannel } from 'node:worker_threads';
import { invalidArgument, outOfRange, ShmError } from '../../errors.js';
import { addon } from '../../native/addon.js';
import { Region } from '../../native/region.js';
import type { AllocatorStats } from './allocator.js';
import { headerBytes, maxParts, pageBytes, ticketBytes, ticketsFor } from './layout.js';
import type { Request } from './messages.js';
import { type Block, Part } from './part.js';
import type { Run } from './run.js';
import { SentPayloads } from './sent.js';
import { readShape, type Shape, writeShape } from './shape.js';
import { unwatchThreads, watchThreads } from './threads.js';
import type { Ticket } from './tickets.js';

/** The arena's side of a payload. */
export interface Holding {
  readonly store: Store;
  /** Absent where the arena had no room. */
  block: Block | undefined;
  /** The bytes, in the place of a block. */
  readonly data: Uint8Array<ArrayBuffer> | undefined;
  /** A number of kinds.ts. */
  readonly kind: number;
  /** Bytes. */
  readonly length: number;
  /** Stays when its tasks have settled. */
  readonly keep: boolean;
  /** Tasks that have it, and loans that lie in it. */
  uses: number;
  /** Its owner has released it, or its task settled. */
  released: boolean;
  /** Its place in the store's list. */
  index: number;
  /** What the owner sees of the block. Weakly: it must not outlive its owner's interest. */
  view: WeakRef<ArrayBuffer> | undefined;
}

/** What a PayloadArena keeps: the region, its own part of it, and who uses what. */
export class Store {
  readonly region: Region;
  readonly shape: Shape;
  /** The region's words, for tickets. */
  readonly words: Int32Array;
  readonly #holdings: Holding[] = [];
  /** Tasks under way, by the number of their ticket. */
  readonly runs: (Run | undefined)[] = [];
  /** What went out with `pool.run`. */
  readonly sent = new SentPayloads(this);
  /** Payloads and results that had to be cloned. */
  fallbacks = 0;
  /** Blocks that came back because nobody could reach them any more. */
  leaks = 0;
  #part: Part | undefined;
  #requests: BroadcastChannel | undefined;
  /** Blocks and tickets in use. */
  #uses = 0;
  #closed = false;
  #ended = false;
  #waiting: (() => void)[] = [];

  constructor(region: Region, shape: Shape) {
    this.region = region;
    this.shape = shape;
    this.words = new Int32Array(region.buffer);
    watchThreads();
  }

  static create(bytes: number, parts: number, debug: boolean, directory?: string): Store {
    const operation = 'arena.create';
    if (typeof bytes !== 'number') throw invalidArgument(operation, 'bytes', 'a number', bytes);
    if (!Number.isInteger(bytes) || bytes < 1) {
      throw outOfRange(operation, 'bytes', 'a whole number from 1', bytes);
    }
    if (!Number.isInteger(parts) || parts < 1 || parts > maxParts) {
      throw outOfRange(operation, 'parts', `a whole number from 1 to ${maxParts}`, parts);
    }
    const payloadBytes = Math.ceil(bytes / parts / pageBytes) * pageBytes;
    const tickets = ticketsFor(payloadBytes);
    const partBytes = payloadBytes + tickets * ticketBytes;
    const region = Region.create({
      bytes: headerBytes + parts * partBytes,
      ...(directory !== undefined && { directory }),
    });
    const shape = { parts, partBytes, tickets, debug };
    writeShape(new Int32Array(region.buffer), shape);
    return new Store(region, shape);
  }

  static open(path: string): Store {
    const region = Region.open(path);
    try {
      return new Store(region, readShape(new Int32Array(region.buffer), path));
    } catch (error) {
      region.close();
      throw error;
    }
  }

  get path(): string {
    return this.region.path;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Bytes for payloads in a part. */
  get capacity(): number {
    return this.shape.partBytes - this.shape.tickets * ticketBytes;
  }

  checkOpen(operation: string): void {
    if (this.#closed) throw this.error('ERR_CLOSED', 'it has been closed', operation);
  }

  /** This object's part, taken when it is first needed; undefined where none is free. */
  #own(): Part | undefined {
    if (this.#ended) return undefined;
    return (this.#part ??= Part.take(this.region, this.shape));
  }

  /** @returns undefined where the arena has no room */
  take(bytes: number): Block | undefined {
    const part = this.#own();
    this.sent.sweep(4);
    let block = part?.allocate(bytes);
    if (block === undefined) {
      this.sent.sweep(Infinity);
      block = part?.allocate(bytes);
    }
    if (block !== undefined) this.#uses++;
    return block;
  }

  give(block: Block): void {
    this.#part!.free(block);
    if (--this.#uses === 0) this.#empty();
  }

  shrink(block: Block, bytes: number): void {
    this.#part!.shrink(block, bytes);
  }

  /** @returns undefined where all are in use */
  takeTicket(): Ticket | undefined {
    const ticket = this.#own()?.tickets.take();
    if (ticket) this.#uses++;
    return ticket;
  }

  giveTicket(ticket: Ticket): void {
    this.#part!.tickets.give(ticket);
    if (--this.#uses === 0) this.#empty();
  }

  whenTicketEnded(ticket: Ticket, callback: () => void): void {
    this.#part!.tickets.whenEnded(ticket, callback);
  }

  ticketEnded(ticket: Ticket): boolean {
    return this.#part!.tickets.hasEnded(ticket);
  }

  ticketIsSent(ticket: Ticket): boolean {
    return this.#part!.tickets.isSent(ticket);
  }

  /** Keeps book of a payload's block. */
  add(holding: Holding): void {
    holding.index = this.#holdings.push(holding) - 1;
  }

  /** One task or loan less; the last one's end frees the block, unless it is to be kept. */
  endUse(holding: Holding): void {
    if (--holding.uses > 0) return;
    if (!holding.keep || holding.released || this.#closed) this.drop(holding);
  }

  /** Frees the block of a holding that has no uses. */
  drop(holding: Holding): void {
    holding.released = true;
    const { block, index } = holding;
    if (!block) return;
    const last = this.#holdings.pop()!;
    if (last !== holding) {
      this.#holdings[index] = last;
      last.index = index;
    }
    this.blind(holding);
    holding.block = undefined;
    this.give(block);
  }

  /** Leaves what the owner sees of the block with a length of 0. */
  blind(holding: Holding): void {
    if (!holding.view) return;
    const buffer = holding.view.deref();
    holding.view = undefined;
    if (buffer) addon.detach(buffer);
  }

  /** Hears the threads that need more room for a result than their task brought. */
  listen(): void {
    if (this.#requests) return;
    const channel = new BroadcastChannel(this.path);
    channel.onmessage = event => {
      const request = (event as { data: Partial<Request> }).data;
      // What is no request is another owner's answer.
      if (request.wanted === undefined || !this.#part) return;
      const run = this.runs[this.#part.tickets.numberAt(request.offset!)];
      if (run) channel.postMessage(run.grant(request as Request));
    };
    channel.unref();
    this.#requests = channel;
  }

  /** Resolves when nothing is in use. */
  async whenEmpty(): Promise<void> {
    for (;;) {
      this.sent.sweep(Infinity);
      if (this.#uses === 0) return;
      // Most ends are told; that a task sent with `pool.run` settled can only be looked up.
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, 5);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  stats(): AllocatorStats {
    this.sent.sweep(Infinity);
    return this.#part?.stats() ?? { blocks: 0, requested: 0, used: 0, highWater: 0, wasted: 0 };
  }

  /** The region goes when the last block has come back. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.sent.sweep(Infinity);
    for (const holding of [...this.#holdings]) if (holding.uses === 0) this.drop(holding);
    if (this.#uses === 0) this.#empty();
  }

  #empty(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
    if (!this.#closed || this.#ended) return;
    this.#ended = true;
    this.#requests?.close();
    unwatchThreads();
    this.#part?.close();
    this.region.close();
  }

  error(code: string, detail: string, operation: string): ShmError {
    return new ShmError(code, detail, operation, this.path);
  }
}
