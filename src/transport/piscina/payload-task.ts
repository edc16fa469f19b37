import { threadId, workerData } from 'node:worker_threads';
import { ShmError } from '../../errors.js';
import { addon } from '../../native/addon.js';
import { setImmediate } from '../../timers.js';
import { checkArgument, checkLength, isObject } from './arguments.js';
import { type AttachedArena, attachArena } from './attached-arena.js';
import { replaceDeep } from './replace-deep.js';
import { pieceBytes, ResultBuffer } from './result-buffer.js';
import * as messages from './task-messages.js';
import { finishSlot, takeSlot, type TaskSlot } from './task-slots.js';
import * as views from './view-kinds.js';

/** What a handler gets beside its task. */
export interface PayloadContext {
  /**
   * Memory for a result, to be filled in place: returned, it is not copied on this side. It is in
   * the arena, as far as the room that came with the task reaches; else it is ordinary memory. What
   * is in it at first is undefined.
   *
   * @param length bytes, from 0
   * @returns valid until the handler has settled
   * @throws {ShmError} `ERR_OUT_OF_RANGE`; `ENOMEM` where there is no such amount of memory
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
 * export default payloadTask(({ image, width }) => sharp(image).resize(width).toBuffer());
 */
export function payloadTask<T, R>(
  fn: (task: T, context: PayloadContext) => R | Promise<R>,
): (task: T) => Promise<R> {
  checkArgument(typeof fn === 'function', 'payloadTask', 'fn', 'a function', fn);
  attachEarly();
  return async encoded => {
    if (!messages.isTask(encoded)) {
      return fn(encoded, { allocate: views.ownMemory.bind(undefined, 'context.allocate') });
    }
    const job = new TaskJob(encoded);
    try {
      const result = fn(job.open() as T, job);
      // Most tasks have no part that waits, and each `await` is a turn.
      const answer = job.encode(isThenable(result) ? await result : result);
      return (isThenable(answer) ? await answer : answer) as R;
    } finally {
      if (job.close()) await new Promise(resolve => setImmediate(resolve));
    }
  };
}

const ownPath = messages.pathIn(workerData);

/** So that the first task does not wait for it. */
function attachEarly(): void {
  try {
    if (ownPath !== undefined) attachArena(ownPath);
  } catch {
    // The first task reports it.
  }
}

/** Where a buffer that the task has views of begins in its arena's file. */
interface Origin {
  readonly buffer: ArrayBufferLike;
  readonly arena: AttachedArena;
  readonly offset: number;
}

/** One task, from its arrival to its answer. */
class TaskJob implements PayloadContext {
  readonly #message: messages.TaskMessage;
  /** The arena that the result goes through. */
  readonly #arena: AttachedArena;
  readonly #slot: TaskSlot;
  readonly #room: ResultBuffer;
  readonly #origins: Origin[] = [];

  /** Takes the task for this thread. */
  constructor(message: messages.TaskMessage) {
    const [, slot, sentWord, , , path] = message;
    this.#message = message;
    this.#arena = attachArena(path ?? ownPath!);
    this.#room = new ResultBuffer(message);
    this.#slot =
      typeof slot === 'number'
        ? { words: this.#arena.words, index: slot, sentWord }
        : { words: new Int32Array(slot), index: 0, sentWord };
    if (takeSlot(this.#slot, threadId)) return;
    throw new ShmError('ERR_RELEASED', 'the task was given up before it began', 'payloadTask');
  }

  /** The task with views where payloads were. */
  open(): unknown {
    return replaceDeep(this.#message[6], object => {
      if (!messages.isPayloadRef(object)) return undefined;
      const [, kind, place, length, path] = object;
      if (typeof place !== 'number') {
        return views.viewOf(kind, place.buffer, place.byteOffset, place.length);
      }
      return this.#view(path === null ? this.#arena : attachArena(path), kind, place, length);
    });
  }

  #view(arena: AttachedArena, kind: number, offset: number, length: number): ArrayBufferView {
    const whole = !arena.debug || length === 0;
    const buffer = whole ? arena.plain.buffer : arena.mapping.alias(offset, length);
    const start = whole ? 0 : offset;
    if (!this.#originOf(buffer)) this.#origins.push({ buffer, arena, offset: start });
    return views.viewOf(kind, buffer, offset - start, length);
  }

  #originOf(buffer: unknown): Origin | undefined {
    for (const origin of this.#origins) if (origin.buffer === buffer) return origin;
    return undefined;
  }

  // A function of its own, made when it is asked for: it may be taken from the context.
  get allocate(): PayloadContext['allocate'] {
    return length => {
      checkLength('context.allocate', length);
      const offset = this.#room.take(length);
      if (offset === -1) return views.ownMemory('context.allocate', length);
      return this.#view(this.#arena, views.bytesKind, offset, length) as Uint8Array<ArrayBuffer>;
    };
  }

  /** The result as it travels; a promise where the owner has to be asked for room. */
  encode(result: unknown): unknown {
    if (!isObject(result)) return result;
    const moved = messages.unwrapMoved(result);
    if (moved && !moved.transfers.some(buffer => this.#originOf(buffer))) return result;
    const outside: [messages.PayloadRef, ArrayBufferView][] = [];
    let [payloads, clones, bytes] = [0, 0, 0];
    const value = replaceDeep(moved ? moved.value : result, view => {
      if (!views.isPrivateView(view)) return undefined;
      const kind = views.kindOf(view);
      if (kind === undefined) {
        clones++;
        return undefined;
      }
      payloads++;
      const length = view.byteLength;
      const origin = this.#originOf(view.buffer);
      const offset = origin ? origin.offset + view.byteOffset : 0;
      const ref: messages.PayloadRef = [messages.payloadMagic, kind, offset, length, null];
      if (length === 0) ref[2] = new Uint8Array(0);
      else if (origin?.arena !== this.#arena) {
        outside.push([ref, view]);
        bytes += pieceBytes(length);
      }
      return ref;
    });
    const wanted = bytes + this.#room.used;
    const finish = (): messages.TaskResult => {
      for (const [ref, view] of outside) ref[2] = this.#putIn(views.bytesOf(view));
      return [messages.resultMagic, payloads, wanted, clones, value];
    };
    if (bytes <= this.#room.left) return finish();
    return this.#room.grow(bytes, this.#arena.path, this.#message).then(finish);
  }

  /** Copies bytes into the room for the result; where that is full, for the answer itself. */
  #putIn(bytes: Uint8Array): messages.PayloadRef[2] {
    const offset = this.#room.take(bytes.length);
    if (offset === -1) return new Uint8Array(bytes);
    this.#arena.plain.set(bytes, offset);
    return offset;
  }

  /** Ends the task. True where it detached buffers, which need a turn to be freed: ADR-0030. */
  close(): boolean {
    const detached = this.#origins.filter(({ buffer, arena }) => buffer !== arena.plain.buffer);
    for (const { buffer } of detached) addon.detach(buffer as ArrayBuffer);
    finishSlot(this.#slot);
    return detached.length > 0;
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return isObject(value) && typeof (value as { then?: unknown }).then === 'function';
}
