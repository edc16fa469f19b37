import { types } from 'node:util';
import { ShmError } from '../../errors.js';
import type { ArenaCore, Block, PayloadEntry, RoomGranter } from './arena-core.js';
import { Borrowed } from './borrowed.js';
import { replaceDeep } from './replace-deep.js';
import { isPayloadRef, taskMagic, type TaskMessage, type TaskResult } from './task-messages.js';
import { cancelSlot, isFinished, isLone, type TaskSlot } from './task-slots.js';
import { copyOf, isViewRange, viewOf } from './view-kinds.js';

export const operation = 'runWithPayloads';

/** One task under way: what it was given of the arena, until it has settled. */
export class TaskRun implements RoomGranter {
  readonly slot: TaskSlot;
  readonly #core: ArenaCore;
  readonly #payloads: readonly PayloadEntry[];
  /** Room for results: that which comes with the task, and what is asked for later. */
  readonly #rooms: Block[] = [];
  #misuse: Error | undefined;

  /** @throws {ShmError} `ERR_USE_AFTER_FREE`, see {@link ArenaCore.take}; nothing is taken then */
  constructor(core: ArenaCore, payloads: readonly PayloadEntry[], wanted: number) {
    this.#core = core;
    this.#payloads = payloads;
    if (wanted > 0) this.#addRoom(wanted);
    for (const entry of payloads) entry.uses++;
    this.slot = core.takeSlot(this);
  }

  /** @param path of the arena, unless the pool knows it */
  message(task: unknown, path: string | null): TaskMessage {
    const { words, index, sentWord } = this.slot;
    const slot = isLone(this.slot) ? words.buffer : index;
    const [room] = this.#rooms;
    return [taskMagic, slot, sentWord, room?.offset ?? 0, room?.length ?? 0, path, task];
  }

  #addRoom(wanted: number): Block | undefined {
    const room = this.#core.take(wanted);
    if (room) this.#rooms.push(room);
    return room;
  }

  grant(wanted: number): Block | undefined {
    try {
      return this.#addRoom(wanted);
    } catch (error) {
      this.#misuse = error as Error; // for the task's sender, not for the event loop
      return undefined;
    }
  }

  /** @throws {ShmError} `ERR_INVALID_ARG` where the result did not come from `payloadTask` */
  checkFinished(): void {
    if (!isFinished(this.slot)) throw notWrapped('got the result of another');
    if (this.#misuse !== undefined) throw this.#misuse;
  }

  /** Ends the task. A borrowed result comes where it lies, another with copies of its own. */
  settle([, payloads, , , result]: TaskResult, borrow: boolean): unknown {
    const core = this.#core;
    const buffers: ArrayBuffer[] = [];
    /** What is lent: rooms with how much of them is needed, and payloads. */
    const lent = new Map<Block | PayloadEntry, number>();
    const replace = (object: object) => {
      if (!isPayloadRef(object)) return undefined;
      const [, kind, at, length] = object;
      if (typeof at !== 'number') {
        if (at.length > 0) core.fallbacks++;
        return viewOf(kind, at.buffer, at.byteOffset, at.length);
      }
      const place = this.#placeOf(kind, at, length);
      if (!borrow) return copyOf(kind, core.region.bytes.subarray(at, at + length));
      const end = 'uses' in place ? 0 : at + length - place.offset;
      lent.set(place, Math.max(lent.get(place) ?? 0, end));
      const buffer = core.region.piece(at, length);
      buffers.push(buffer);
      return viewOf(kind, buffer, 0, length);
    };
    try {
      const value = payloads === 0 ? result : replaceDeep(result, replace);
      for (const [place, end] of lent) if (!('uses' in place)) core.shrink(place, end);
      this.#end(lent);
      return borrow ? new Borrowed(value, buffers, core, [...lent.keys()]) : value;
    } catch (error) {
      this.#end();
      throw error;
    }
  }

  /** @returns what to reject with; blocks are free when no thread can touch them any more */
  abandon(error: unknown): unknown {
    const wasTaken = !cancelSlot(this.slot, () => this.#end());
    // A handler that was not wrapped fails like this when it reads from the encoded task.
    const isPlain = types.isNativeError(error) && !('code' in error) && error.name === 'TypeError';
    if (wasTaken || !isPlain) return error;
    return notWrapped(`got one that failed before the task was taken: ${error.message}`, error);
  }

  /** What a piece lies in. The thread says where: a view that it kept of an earlier task, too. */
  #placeOf(kind: number, offset: number, length: number): Block | PayloadEntry {
    const isWithin = (block: Block | undefined) =>
      block && offset >= block.offset && offset + length <= block.offset + block.length;
    const place =
      this.#rooms.find(isWithin) ??
      this.#payloads.find(({ core, block }) => core === this.#core && isWithin(block));
    if (place && isViewRange(kind, offset, length)) return place;
    const detail = `expected a piece of this task's memory, got ${length} bytes at ${offset}`;
    throw this.#core.error('ERR_USE_AFTER_FREE', detail, operation);
  }

  /** Gives back all but what is lent. */
  #end(lent?: ReadonlyMap<Block | PayloadEntry, number>): void {
    for (const room of this.#rooms) if (!lent?.has(room)) this.#core.give(room);
    for (const entry of this.#payloads) if (!lent?.has(entry)) entry.core.endUse(entry);
    this.#core.giveSlot(this.slot); // last: the arena may be gone then
  }
}

function notWrapped(detail: string, cause?: unknown): ShmError {
  const text = `expected a handler made with payloadTask, ${detail}`;
  return new ShmError('ERR_INVALID_ARG', text, operation, undefined, cause);
}
