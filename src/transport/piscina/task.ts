import { setImmediate as nextTurn } from 'node:timers/promises';
import { threadId, workerData } from 'node:worker_threads';
import { ShmError } from '../../errors.js';
import { addon } from '../../native/addon.js';
import { type Attached, attach } from './attached.js';
import { bytesKind, bytesOf, copyOf, kindOf, viewOf } from './kinds.js';
import {
  type Description,
  descriptionWithin,
  type Envelope,
  isDescription,
  isMoved,
  isObject,
  moveWith,
  newDescription,
  readDescription,
  sealAnswer,
  tellBytes,
  tellPlace,
  transferable,
  unseal,
  valueOf,
} from './messages.js';
import { pieceBytes, Room } from './room.js';
import { substitute } from './substitute.js';
import { endTicket, takeTicket, type TicketHandle } from './tickets.js';

/** What a handler gets beside its task. */
export interface PayloadContext {
  /**
   * Memory for a result, to be filled in place: returned, it is not copied on this side. In
   * the arena, as far as the room that came with the task reaches; else ordinary memory.
   * What is in it at first is undefined.
   *
   * @param length bytes
   * @returns valid until the handler has settled
   */
  readonly allocate: (length: number) => Uint8Array<ArrayBuffer>;
}

/**
 * Makes the handler of a Piscina worker file. Payloads of the task arrive as views of the
 * arena's memory, of the kind that was shared, valid until `fn` has settled. They may be
 * written to; where several tasks have one payload, all of them see that. Views in the
 * result travel back through the arena where the task came by `runWithPayloads`, and are
 * cloned where it came by `pool.run`.
 *
 * A result that is, or holds, a view of a payload is not copied on this side; neither is
 * one made with `context.allocate`. Tasks without payloads are handed on as they are.
 *
 * @param fn the task's work, async or not
 * @example
 * export default payloadTask(({ image, width }) => sharp(image).resize(width).toBuffer());
 */
export function payloadTask<T, R>(
  fn: (task: T, context: PayloadContext) => R | Promise<R>,
): (task: T) => Promise<R> {
  attachEarly();
  return async message => {
    const job = new Job();
    try {
      const result = fn(job.open(message) as T, job);
      // Most tasks have no part that waits, and each `await` is a turn.
      const answer = job.pack(isThenable(result) ? await result : result);
      return (answer instanceof Promise ? await answer : answer) as R;
    } finally {
      if (job.close()) await nextTurn();
    }
  };
}

const ownPath = (workerData as { payloads?: { path?: unknown } } | null)?.payloads?.path;

/** So that the first task does not wait for it. */
function attachEarly(): void {
  if (typeof ownPath !== 'string') return;
  try {
    attach(ownPath);
  } catch {
    // The first task tells.
  }
}

/** One task, from its arrival to its answer. */
class Job implements PayloadContext {
  #envelope: Envelope | undefined;
  /** That of the envelope. */
  #arena: Attached | undefined;
  #made: Room | undefined;
  /** Tickets that payloads brought with them. */
  #tickets: { arena: Attached; ticket: TicketHandle }[] | undefined;
  /** Where the memory of views that this task was given begins in its arena's file. */
  readonly #origins: Origin[] = [];

  /** Takes the task for this thread, and gives it with views in the place of payloads. */
  open(message: unknown): unknown {
    const envelope = unseal(message);
    if (envelope) {
      this.#arena = attach(envelope.arena ?? (ownPath as string));
      if (envelope.ticket) take(this.#arena, envelope.ticket);
      this.#envelope = envelope;
    }
    return substitute(envelope ? envelope.task : message, object => this.#unwrap(object));
  }

  /** Room for results, where the task brought a ticket. */
  get #room(): Room | undefined {
    const envelope = this.#envelope;
    if (!envelope?.ticket) return undefined;
    return (this.#made ??= new Room(this.#arena!, envelope, envelope.ticket));
  }

  #unwrap(object: object): ArrayBufferView | undefined {
    const description = isDescription(object) ? object : descriptionWithin(object);
    if (!description) return undefined;
    const { kind, bytes, offset, length, arena: path, ticket } = readDescription(description);
    if (bytes) return viewOf(kind, bytes.buffer, bytes.byteOffset, bytes.length);
    const arena = path === null ? this.#arena! : attach(path);
    if (ticket) {
      take(arena, ticket);
      (this.#tickets ??= []).push({ arena, ticket });
    }
    return this.#place(arena, kind, offset, length);
  }

  #place(arena: Attached, kind: number, offset: number, length: number): ArrayBufferView {
    const whole = !arena.debug || length === 0;
    const buffer = whole ? arena.plain.buffer : arena.piece(offset, length);
    const start = whole ? 0 : offset;
    if (!this.#origin(buffer)) this.#origins.push({ buffer, arena, offset: start });
    return viewOf(kind, buffer, offset - start, length);
  }

  #origin(buffer: ArrayBufferLike): Origin | undefined {
    for (const origin of this.#origins) if (origin.buffer === buffer) return origin;
    return undefined;
  }

  // A function of its own, made when it is asked for: it may be taken from the context.
  get allocate(): PayloadContext['allocate'] {
    return length => {
      const offset = this.#room?.take(length) ?? -1;
      if (offset === -1) return new Uint8Array(length);
      return this.#place(this.#arena!, bytesKind, offset, length) as Uint8Array<ArrayBuffer>;
    };
  }

  /** The result as it travels; a promise where the owner has to be asked for room. */
  pack(result: unknown): unknown {
    if (!isObject(result)) return result;
    if (isMoved(result)) {
      const moved = [result[transferable]].flat() as ArrayBufferLike[];
      if (!moved.some(buffer => this.#origin(buffer))) {
        if (!this.#envelope) return result;
        const answer = { result: result[valueOf], payloads: 0, wanted: 0 };
        return moveWith(result, sealAnswer(answer));
      }
      // A payload cannot be moved out of the arena, nor need it be.
      result = result[valueOf];
    }
    return this.#envelope ? this.#answer(result) : this.#withCopies(result);
  }

  #answer(result: unknown): unknown {
    const outside: { view: ArrayBufferView; description: Description }[] = [];
    let payloads = 0;
    const described = substitute(result, object => {
      const kind = ArrayBuffer.isView(object) ? kindOf(object) : undefined;
      if (kind === undefined) return undefined;
      const view = object as ArrayBufferView;
      const description = newDescription(kind);
      payloads++;
      const origin = this.#origin(view.buffer);
      if (view.byteLength === 0) {
        tellBytes(description, new Uint8Array(0));
      } else if (origin && origin.arena === this.#arena && this.#envelope!.ticket) {
        tellPlace(description, origin.offset + view.byteOffset, view.byteLength);
      } else {
        outside.push({ view, description });
      }
      return description;
    });
    const room = this.#room;
    const bytes = outside.reduce((sum, { view }) => sum + pieceBytes(view.byteLength), 0);
    const wanted = bytes + (room?.used ?? 0);
    const finish = () => {
      for (const { view, description } of outside) this.#putIn(view, description);
      return sealAnswer({ result: described, payloads, wanted });
    };
    return room && bytes > room.left ? room.ask(bytes).then(finish) : finish();
  }

  /** Copies a view into the room; where that is full, into the answer. */
  #putIn(view: ArrayBufferView, description: Description): void {
    const length = view.byteLength;
    const offset = this.#room?.take(length) ?? -1;
    if (offset === -1) {
      tellBytes(description, new Uint8Array(bytesOf(view)));
    } else {
      this.#arena!.plain.set(bytesOf(view), offset);
      tellPlace(description, offset, length);
    }
  }

  /** Cloning a view of the arena would take the whole arena with it, by its buffer. */
  #withCopies(result: unknown): unknown {
    return substitute(result, object => {
      if (!ArrayBuffer.isView(object) || !this.#origin(object.buffer)) return undefined;
      const kind = kindOf(object);
      return kind === undefined ? undefined : copyOf(kind, bytesOf(object));
    });
  }

  /**
   * Lets go of what the task was given. True where buffers were detached, which Node frees
   * in the next turn of the event loop; an idle pool's thread would not get to it.
   */
  close(): boolean {
    let detached = false;
    for (const { buffer, arena } of this.#origins) {
      if (buffer === arena.plain.buffer) continue;
      addon.detach(buffer as ArrayBuffer);
      detached = true;
    }
    const ticket = this.#envelope?.ticket;
    if (ticket) endTicket(this.#arena!.words, ticket);
    for (const sent of this.#tickets ?? []) endTicket(sent.arena.words, sent.ticket);
    return detached;
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return isObject(value) && typeof (value as { then?: unknown }).then === 'function';
}

interface Origin {
  readonly buffer: ArrayBufferLike;
  readonly arena: Attached;
  readonly offset: number;
}

function take(arena: Attached, ticket: TicketHandle): void {
  if (takeTicket(arena.words, ticket, threadId)) return;
  throw new ShmError('ERR_RELEASED', 'the task was given up before it began', 'payloadTask');
}
