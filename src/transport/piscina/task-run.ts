import { types } from 'node:util';
import { ShmError } from '../../errors.js';
import type { ArenaCore, PayloadEntry } from './arena-core.js';
import { Borrowed } from './borrowed.js';
import { replaceDeep } from './replace-deep.js';
import { isRef, taskMagic, type TaskMessage, type TaskResult } from './task-messages.js';
import { cancelSlot, isFinished, isLone, type TaskSlot } from './task-slots.js';
import { copyOf, isViewRange, viewOf } from '../../native/view-kinds.js';

export const operation = 'runWithPayloads';

/** One task under way: what it was given of the arena, until it has settled. */
export class TaskRun {
  readonly slot: TaskSlot;
  readonly #core: ArenaCore;
  readonly #payloads: readonly PayloadEntry[];
  /** Room for results: that which comes with the task, and what they need beyond it. */
  readonly #rooms: PayloadEntry[] = [];

  /** @throws {ShmError} `ERR_USE_AFTER_FREE`, see {@link ArenaCore.take}; nothing is taken then */
  constructor(core: ArenaCore, payloads: readonly PayloadEntry[], wanted: number) {
    this.#core = core;
    this.#payloads = payloads;
    if (wanted > 0) this.#addRoom(wanted);
    for (const entry of payloads) entry.uses++;
    this.slot = core.takeSlot();
  }

  /** @param path of the arena, unless the pool knows it */
  message(task: unknown, path: string | null): TaskMessage {
    const { words, index, sentWord } = this.slot;
    const slot = isLone(this.slot) ? words.buffer : index;
    const { offset = 0, length = 0 } = this.#rooms[0]?.block ?? {};
    return [taskMagic, this.#core.mark, slot, sentWord, offset, length, path, task];
  }

  /** @returns undefined where the arena is full */
  #addRoom(length: number): PayloadEntry | undefined {
    const room = this.#core.take(length);
    if (!room) return undefined;
    room.uses = 1;
    this.#rooms.push(room);
    return room;
  }

  /** Ends the task. A borrowed result comes where it lies, another with copies of its own. */
  settle([mark, payloads, , result]: TaskResult, borrow: boolean): unknown {
    if (!isFinished(this.slot)) throw this.abandon(notWrapped('got the result of another'));
    const core = this.#core;
    const buffers: ArrayBuffer[] = [];
    /** What is lent, each with how much of it is needed. */
    const lent = new Map<PayloadEntry, number>();
    const lend = (entry: PayloadEntry, kind: number, offset: number, length: number) => {
      const end = offset + length - entry.block!.offset;
      lent.set(entry, Math.max(lent.get(entry) ?? 0, end));
      const buffer = core.region.piece(offset, length);
      buffers.push(buffer);
      return viewOf(kind, buffer, 0, length);
    };
    const replace = (object: object) => {
      if (!isRef(object, mark)) return undefined;
      const [, kind, place, length] = object;
      if (typeof place === 'number') {
        const entry = this.#entryOf(kind, place, length);
        if (borrow) return lend(entry, kind, place, length);
        return copyOf(kind, core.region.bytes.subarray(place, place + length));
      }
      // The room that came with the task was too small for it: is there more by now?
      const room = length > 0 ? this.#addRoom(length) : undefined;
      if (length > 0 && !room) core.fallbacks++;
      if (!borrow || !room) {
        const copy = copyOf(kind, place);
        buffers.push(copy.buffer as ArrayBuffer);
        return copy;
      }
      const { offset } = room.block!;
      core.region.bytes.set(place, offset);
      return lend(room, kind, offset, length);
    };
    try {
      const value = payloads === 0 ? result : replaceDeep(result, replace);
      core.checkMemory(operation);
      for (const room of this.#rooms) {
        if (lent.has(room)) core.shrink(room.block!, lent.get(room)!);
      }
      this.#end(lent);
      return borrow ? new Borrowed(value, buffers, [...lent.keys()]) : value;
    } catch (error) {
      this.#end();
      throw error;
    }
  }

  /** @returns what to reject with; blocks are free when no thread can touch them any more */
  abandon(error: unknown): unknown {
    const wasTaken = !cancelSlot(this.slot, () => this.#end());
    try {
      this.#core.checkMemory(operation); // the task may have failed by zeros, or its thread
    } catch (fault) {
      return fault;
    }
    // A handler that was not wrapped fails like this when it reads from the encoded task.
    const isPlain = types.isNativeError(error) && !('code' in error) && error.name === 'TypeError';
    if (wasTaken || !isPlain) return error;
    return notWrapped(`got one that failed before the task was taken: ${error.message}`, error);
  }

  /** What a piece lies in. The thread says where: a view that it kept of an earlier task, too. */
  #entryOf(kind: number, offset: number, length: number): PayloadEntry {
    const isHere = (entry: PayloadEntry) => entry.core === this.#core && entry.has(offset, length);
    const entry = this.#rooms.find(isHere) ?? this.#payloads.find(isHere);
    if (entry && isViewRange(kind, offset, length)) return entry;
    const detail = `expected a piece of this task's memory, got ${length} bytes at ${offset}`;
    throw this.#core.error('ERR_USE_AFTER_FREE', detail, operation);
  }

  /** Gives back all but what is lent. */
  #end(lent?: ReadonlyMap<PayloadEntry, number>): void {
    for (const entry of [...this.#rooms, ...this.#payloads]) if (!lent?.has(entry)) entry.endUse();
    this.#core.giveSlot(this.slot); // last: the arena may be gone then
  }
}

function notWrapped(detail: string, cause?: unknown): ShmError {
  const text = `expected a handler made with payloadTask, ${detail}`;
  return new ShmError('ERR_INVALID_ARG', text, operation, undefined, cause);
}
