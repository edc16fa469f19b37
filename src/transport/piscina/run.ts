import { ShmError } from '../../errors.js';
import { copyOf, fits, viewOf } from './kinds.js';
import { Borrowed, lendBuffer, type Lent } from './loan.js';
import {
  type Answer,
  type Description,
  type Grant,
  isDescription,
  readDescription,
  type Request,
  seal,
  tellBytes,
  type Told,
} from './messages.js';
import type { Block } from './part.js';
import type { Holding, Store } from './store.js';
import { substitute } from './substitute.js';
import type { Ticket } from './tickets.js';

/** A payload within a task, and what the task says of it. */
export interface Described {
  readonly holding: Holding;
  readonly description: Description;
}

/** Puts the bytes themselves into the task. */
function inline({ holding, description }: Described): void {
  if (!holding.block) return;
  const { store } = holding;
  const { offset } = holding.block;
  tellBytes(description, store.region.bytes.slice(offset, offset + holding.length));
  store.fallbacks++;
}

/** One task under way: what it was given of the arena, until it has settled. */
export class Run {
  /** The task as the pool is to send it. */
  readonly message: unknown[];
  readonly #store: Store;
  /** Absent where there was none left: then everything is cloned. */
  readonly #ticket: Ticket | undefined;
  readonly #payloads: readonly Described[];
  /** Room for results: of the beginning, and what was asked for later. */
  readonly #rooms: Block[] = [];
  #ended = false;

  /**
   * @param payloads within the task, each of which has a use more until this task's end
   * @param wanted bytes of room for the result
   * @param known whether the pool's threads know the arena by their `workerData`
   */
  constructor(
    store: Store,
    task: unknown,
    payloads: readonly Described[],
    wanted: number,
    known: boolean,
  ) {
    const ticket = store.takeTicket();
    const room = ticket && wanted > 0 ? store.take(wanted) : undefined;
    this.#store = store;
    this.#ticket = ticket;
    this.#payloads = payloads;
    for (const { holding } of payloads) holding.uses++;
    if (room) this.#rooms.push(room);
    if (ticket) store.runs[ticket.number] = this;
    else for (const payload of payloads) inline(payload);
    this.message = seal(task, known ? null : store.path, ticket, room);
  }

  /** The thread needs more room than it has. */
  grant({ offset, state, wanted }: Request): Grant {
    const room = state === this.#ticket!.state ? this.#store.take(wanted) : undefined;
    if (room) this.#rooms.push(room);
    return { offset, state, room: room?.offset ?? 0, roomLength: room?.length ?? 0 };
  }

  /** The result with copies of its own in the place of what lies in the arena. */
  copy({ result, payloads }: Answer): unknown {
    try {
      if (payloads === 0) return result;
      return substitute(result, object => {
        if (!isDescription(object)) return undefined;
        const told = readDescription(object);
        if (told.bytes) return this.#received(told.kind, told.bytes);
        this.#placeOf(told);
        const { kind, offset, length } = told;
        return copyOf(kind, this.#store.region.bytes.subarray(offset, offset + length));
      });
    } finally {
      this.#end();
    }
  }

  /** The result where it lies; what it does not need is free at once. */
  lend({ result, payloads }: Answer): Borrowed<unknown> {
    const lent = new Map<Block | Holding, Lent>();
    const buffers: ArrayBuffer[] = [];
    /** Up to where each room is needed. */
    const ends = new Map<Block, number>();
    try {
      if (payloads === 0) return new Borrowed(result);
      const value = substitute(result, object => {
        if (!isDescription(object)) return undefined;
        const told = readDescription(object);
        if (told.bytes) return this.#received(told.kind, told.bytes);
        const place = this.#placeOf(told);
        const { kind, offset, length } = told;
        let entry = lent.get(place);
        if (!entry) {
          entry = { store: this.#store, place, buffers: 0, given: false };
          lent.set(place, entry);
        }
        if (!('uses' in place)) {
          ends.set(place, Math.max(ends.get(place) ?? 0, offset + length - place.offset));
        }
        const buffer = lendBuffer(entry, offset, length);
        buffers.push(buffer);
        return viewOf(kind, buffer, 0, length);
      });
      return new Borrowed(value, buffers, lent.values());
    } finally {
      for (const [room, end] of ends) this.#store.shrink(room, end);
      this.#end(lent);
    }
  }

  /** Nothing comes back: the blocks are free when no thread can touch them any more. */
  abandon(): void {
    if (this.#ticket) this.#store.whenTicketEnded(this.#ticket, () => this.#end());
    else this.#end();
  }

  /** What was cloned, in the kind that it had. */
  #received(kind: number, bytes: Uint8Array<ArrayBuffer>): ArrayBufferView {
    if (bytes.length > 0) this.#store.fallbacks++;
    return viewOf(kind, bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /**
   * The room or payload that a piece lies in. The thread says where: a handler that kept a
   * view of an earlier task, and returned it, says what must not be believed.
   */
  #placeOf({ kind, offset, length }: Told): Block | Holding {
    const within = (block: Block | undefined) =>
      block && offset >= block.offset && offset + length <= block.offset + block.length;
    const place =
      this.#rooms.find(within) ??
      this.#payloads.find(({ holding }) => within(holding.block))?.holding;
    if (place && length >= 0 && fits(kind, offset, length)) return place;
    const detail = `expected a piece of this task's memory, got ${length} bytes at ${offset}`;
    throw new ShmError('ERR_USE_AFTER_FREE', detail, 'runWithPayloads', this.#store.path);
  }

  #end(lent?: ReadonlyMap<Block | Holding, unknown>): void {
    if (this.#ended) return;
    this.#ended = true;
    const store = this.#store;
    if (this.#ticket) {
      store.runs[this.#ticket.number] = undefined;
      store.giveTicket(this.#ticket);
    }
    for (const room of this.#rooms) if (!lent?.has(room)) store.give(room);
    for (const { holding } of this.#payloads) {
      if (!lent?.has(holding)) holding.store.endUse(holding);
    }
  }
}
