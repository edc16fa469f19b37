import { threadId, workerData } from 'node:worker_threads';
import { ShmError } from '../../errors.js';
import { addon } from '../../native/addon.js';
import { checkLength } from '../../native/limits.js';
import { setImmediate } from '../../timers.js';
import { checkArgument, isObject } from '../../native/arguments.js';
import { pieceBytes } from './arena-layout.js';
import { type AttachedArena, attachArena } from './attached-arena.js';
import { replaceDeep } from './replace-deep.js';
import * as messages from './task-messages.js';
import { finishSlot, takeSlot, type TaskSlot } from './task-slots.js';
import * as views from '../../native/view-kinds.js';

/** What a handler gets beside its task. */
export interface PayloadContext {
  /**
   * Memory for a result, to be filled in place: returned, it is not copied on this side. It is in
   * the arena, as far as the room that came with the task reaches; else it is ordinary memory. What
   * is in it at first is undefined.
   *
   * @param length bytes, from 0
   * @returns valid until the handler has settled
   * @throws {ShmError} `ERR_OUT_OF_RANGE`; `ENOMEM` where there is not that much memory
   */
  readonly allocate: (length: number) => Uint8Array<ArrayBuffer>;
}

/**
 * Makes the handler of a Piscina worker file. Payloads of a task that came by `runWithPayloads`
 * arrive as views of the arena's memory, of the kind that was shared, valid until `fn` has settled.
 * They may be written to; where several tasks have one payload, all of them see that. Views in the
 * result travel back through the arena.
 *
 * A result that is, or holds, a view of a payload is not copied on this side; neither is one made
 * with `context.allocate`. What `Piscina.move` made is left to Piscina, which transfers it, unless
 * it holds a view of the arena: that cannot be moved, and travels as without `move`.
 *
 * Tasks that came by `pool.run`, and their results, are handed on as they are.
 *
 * @param fn the task's work, async or not
 * @throws {ShmError} `ERR_INVALID_ARG` where `fn` is no function
 * @example
 * export default payloadTask(({ image, width }: { image: Uint8Array; width: number }) =>
 *   sharp(image).resize(width).toBuffer(),
 * );
 */
export function payloadTask<T, R>(
  fn: (task: T, context: PayloadContext) => R | Promise<R>,
): (task: T) => Promise<R> {
  checkArgument(typeof fn === 'function', 'payloadTask', 'fn', 'a function', fn);
  return async encoded => {
    const arena = messages.isTask(encoded) && attachArena(encoded[6] ?? ownPath!);
    if (!arena || !messages.isTask(encoded) || encoded[1] !== arena.mark) {
      return fn(encoded, { allocate: views.ownMemory.bind(undefined, 'context.allocate') });
    }
    const job = new TaskJob(encoded, arena);
    try {
      const result = fn(job.open() as T, job);
      // Most tasks have no part that waits, and each `await` is a turn.
      return job.encode(isThenable(result) ? await result : result) as R;
    } finally {
      if (job.close()) await new Promise(resolve => setImmediate(resolve));
    }
  };
}

const ownPath = messages.pathIn(workerData);

/** Where a buffer that the task has views of begins in its arena's file. */
interface Origin {
  readonly arena: AttachedArena;
  readonly offset: number;
}

/** One task, from its arrival to its answer. */
class TaskJob implements PayloadContext {
  readonly #task: unknown;
  /** The arena that the result goes through. */
  readonly #arena: AttachedArena;
  readonly #slot: TaskSlot;
  /** What is left of the room for the result: offsets in the arena's file. */
  #roomStart: number;
  #roomEnd: number;
  /** Bytes of room that the result takes, or would take. */
  #wanted = 0;
  /** By buffer. */
  readonly #origins = new Map<unknown, Origin>();

  /** Takes the task for this thread. */
  constructor(message: messages.TaskMessage, arena: AttachedArena) {
    const [, , slot, sentWord, room, roomLength, , task] = message;
    this.#task = task;
    this.#arena = arena;
    this.#roomStart = room;
    this.#roomEnd = room + roomLength;
    this.#slot =
      typeof slot === 'number'
        ? { words: this.#arena.words, index: slot, sentWord }
        : { words: new Int32Array(slot), index: 0, sentWord };
    if (takeSlot(this.#slot, threadId)) return;
    throw new ShmError('ERR_RELEASED', 'the task was given up before it began', 'payloadTask');
  }

  /** The task with views where payloads were. */
  open(): unknown {
    return replaceDeep(this.#task, object => {
      if (!messages.isRef(object, this.#arena.mark)) return undefined;
      const [, kind, place, length, path] = object;
      if (typeof place !== 'number') {
        return views.viewOf(kind, place.buffer as ArrayBuffer, place.byteOffset, place.length);
      }
      return this.#view(path === null ? this.#arena : attachArena(path), kind, place, length);
    });
  }

  #view(arena: AttachedArena, kind: number, offset: number, length: number): ArrayBufferView {
    const whole = !arena.debug || length === 0;
    const buffer = whole ? arena.plain.buffer : arena.mapping.alias(offset, length);
    const start = whole ? 0 : offset;
    if (!this.#origins.has(buffer)) this.#origins.set(buffer, { arena, offset: start });
    return views.viewOf(kind, buffer, offset - start, length);
  }

  /** @returns the offset in the arena's file of room for `length` bytes; -1 where there is none */
  #takeRoom(length: number): number {
    const offset = this.#roomStart;
    const bytes = pieceBytes(length);
    if (bytes > this.#roomEnd - offset) return -1;
    this.#roomStart += bytes;
    this.#wanted += bytes;
    return offset;
  }

  // A function of its own, made when it is asked for: it may be taken from the context.
  get allocate(): PayloadContext['allocate'] {
    return length => {
      checkLength('context.allocate', length);
      const offset = this.#takeRoom(length);
      if (offset === -1) return views.ownMemory('context.allocate', length);
      return this.#view(this.#arena, views.bytesKind, offset, length) as Uint8Array<ArrayBuffer>;
    };
  }

  /** The result as it travels. */
  encode(result: unknown): unknown {
    if (!isObject(result)) return result;
    const moved = messages.unwrapMoved(result);
    if (moved && !moved.transfers.some(buffer => this.#origins.has(buffer))) return result;
    let payloads = 0;
    const value = replaceDeep(moved ? moved.value : result, view => {
      if (!views.isPrivateView(view)) return undefined;
      const kind = views.kindOf(view);
      if (kind === undefined) return undefined;
      payloads++;
      return [this.#arena.mark, kind, this.#placeOf(view), view.byteLength, null];
    });
    return [this.#arena.mark, payloads, this.#wanted, value];
  }

  /** Where a view of the result lies. What is not in the arena is copied there, or shared. */
  #placeOf(view: ArrayBufferView): messages.PayloadRef[2] {
    if (view.byteLength === 0) return new Uint8Array(0);
    const origin = this.#origins.get(view.buffer);
    if (origin?.arena === this.#arena) return origin.offset + view.byteOffset;
    const offset = this.#takeRoom(view.byteLength);
    if (offset === -1) {
      this.#wanted += pieceBytes(view.byteLength);
      return views.sharedCopy('payloadTask', views.bytesOf(view));
    }
    this.#arena.plain.set(views.bytesOf(view), offset);
    return offset;
  }

  /** Ends the task. True where it detached buffers, which need a turn to be freed: ADR-0030. */
  close(): boolean {
    this.#roomEnd = 0; // what the handler did not wait for may still call `allocate`
    let detached = false;
    for (const [buffer, { arena }] of this.#origins) {
      if (buffer === arena.plain.buffer) continue;
      addon.detach(buffer as ArrayBuffer);
      detached = true;
    }
    finishSlot(this.#slot);
    return detached;
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return isObject(value) && typeof (value as { then?: unknown }).then === 'function';
}
