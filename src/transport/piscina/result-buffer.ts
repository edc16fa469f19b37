import { BroadcastChannel } from 'node:worker_threads';
import { clearTimeout, setTimeout } from '../../timers.js';
import type { ResultBufferRequest, TaskMessage } from './task-messages.js';

/** Pieces begin at multiples of this, the alignment of any view. */
const alignment = 16;

/** Milliseconds that a thread waits for the owner's event loop before its result is cloned. */
const patience = 1000;

/** Bytes that a view takes up in a result buffer. */
export const pieceBytes = (length: number) => Math.ceil(length / alignment) * alignment;

/** Where a task puts its results: the memory that came with it, and more on request. */
export class ResultBuffer {
  /** Bytes handed out so far. */
  used = 0;
  #next: number;
  #end: number;

  constructor([, , , room, roomLength]: TaskMessage) {
    this.#next = room;
    this.#end = room + roomLength;
  }

  get left(): number {
    return this.#end - this.#next;
  }

  /** @returns the offset in the arena's file of `length` bytes; -1 where they do not fit */
  take(length: number): number {
    const bytes = pieceBytes(length);
    if (bytes > this.left) return -1;
    const offset = this.#next;
    this.#next += bytes;
    this.used += bytes;
    return offset;
  }

  /**
   * Asks the owner for room for `wanted` bytes, to be used instead of what is left.
   *
   * @param arena the path of the arena that the task's room is in
   */
  async grow(wanted: number, arena: string, [, slot, sentWord]: TaskMessage): Promise<void> {
    if (typeof slot !== 'number') return; // the owner knows its own slots only
    const channel = new BroadcastChannel(arena);
    const room = await new Promise<ResultBufferRequest['room']>(resolve => {
      const timer = setTimeout(resolve, patience, undefined);
      channel.onmessage = event => {
        const answer = (event as { data: ResultBufferRequest }).data;
        // Other threads ask and are answered here too.
        if (answer.slot !== slot || answer.sentWord !== sentWord) return;
        clearTimeout(timer);
        resolve(answer.room);
      };
      channel.postMessage({ slot, sentWord, wanted } satisfies ResultBufferRequest);
    });
    // Not kept open: what others say while this thread is busy would pile up in it.
    channel.close();
    if (!room) return;
    this.#next = room.offset;
    this.#end = room.offset + room.length;
  }
}
