import { BroadcastChannel } from 'node:worker_threads';
import type { Attached } from './attached.js';
import type { Envelope, Grant, Request } from './messages.js';
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
  async ask(wanted: number): Promise<void> {
    const { offset, state } = this.#ticket;
    const channel = new BroadcastChannel(this.arena.path);
    const granted = new Promise<Grant | undefined>(resolve => {
      const timer = setTimeout(resolve, patience, undefined);
      channel.onmessage = event => {
        const grant = (event as { data: Partial<Grant> }).data;
        // Other threads ask and are answered here too.
        if (grant.offset !== offset || grant.state !== state) return;
        clearTimeout(timer);
        resolve(grant as Grant);
      };
    });
    channel.postMessage({ offset, state, wanted } satisfies Request);
    const grant = await granted;
    // Not kept open: what others say while this thread is busy would pile up in it.
    channel.close();
    if (!grant?.roomLength) return;
    this.#next = grant.room;
    this.#end = grant.room + grant.roomLength;
  }
}
