import { BroadcastChannel } from 'node:worker_threads';
import { changedInProcess, loadWord, storeWord } from '../atomics.js';
import type { Attached } from './attached.js';
import { Answer, unitShift, Word } from './layout.js';
import type { Envelope, Request } from './messages.js';
import type { TicketHandle } from './tickets.js';

/** Pieces begin at multiples of this, the alignment of any view. */
const alignment = 16;

/** How long a thread waits for the owner's event loop before it has its result cloned. */
const patience = 1000;

/** Bytes that a view takes in a room. */
export const pieceBytes = (length: number) => (length + alignment - 1) & -alignment;

/** Where a task puts its results: the memory that came with it, and more on request. */
export class Room {
  readonly arena: Attached;
  readonly #ticket: TicketHandle;
  #next: number;
  #end: number;
  /** Bytes handed out so far. */
  used = 0;

  constructor(arena: Attached, { room, roomLength }: Envelope, ticket: TicketHandle) {
    this.arena = arena;
    this.#ticket = ticket;
    this.#next = room;
    this.#end = room + roomLength;
  }

  get left(): number {
    return this.#end - this.#next;
  }

  /** @returns the offset in the arena's file of so many bytes; -1 where they do not fit */
  take(length: number): number {
    const bytes = pieceBytes(length);
    if (bytes > this.left) return -1;
    const offset = this.#next;
    this.#next += bytes;
    this.used += bytes;
    return offset;
  }

  /** Asks the owner for room for so many bytes, in the place of what is left. */
  async ask(bytes: number): Promise<void> {
    const { words } = this.arena;
    const at = this.#ticket.offset >>> 2;
    storeWord(words, at + Word.answer, Answer.asked);
    // Not kept open: what other threads ask would pile up in it.
    const owner = new BroadcastChannel(this.arena.path);
    owner.postMessage({ ticket: this.#ticket.offset, bytes } satisfies Request);
    owner.close();
    await changedInProcess(words, at + Word.answer, Answer.asked, patience);
    if (loadWord(words, at + Word.answer) !== Answer.granted) return;
    this.#next = (loadWord(words, at + Word.room) >>> 0) * (1 << unitShift);
    this.#end = this.#next + (loadWord(words, at + Word.units) >>> 0) * (1 << unitShift);
  }
}
