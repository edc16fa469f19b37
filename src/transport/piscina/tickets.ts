import { loadWord, replaceWord, storeWord } from '../ring/atomics.js';
import { cancelled, done, isSent, isTaken, sent, taken, threadOf, ticketBytes } from './layout.js';
import { isThreadGone, whenThreadGone } from './threads.js';

/** What goes with a task to whoever runs it. */
export interface TicketHandle {
  /** From the beginning of the arena's file. */
  readonly offset: number;
  /** What its state is when it arrives. */
  readonly state: number;
}

/** A ticket of its owner's. */
export interface Ticket extends TicketHandle {
  /** Which of the part's. */
  readonly number: number;
}

/** The tickets of a part, as their owner sees them. */
export class Tickets {
  readonly #words: Int32Array;
  readonly #start: number;
  readonly #count: number;
  #made = 0;
  readonly #spare: number[] = [];
  #uses = 0;

  /** @param start offset in the arena's file */
  constructor(words: Int32Array, start: number, count: number) {
    this.#words = words;
    this.#start = start;
    this.#count = count;
  }

  /** A ticket that is sent; undefined where all are in use. */
  take(): Ticket | undefined {
    const number = this.#spare.pop() ?? (this.#made < this.#count ? this.#made++ : -1);
    if (number === -1) return undefined;
    const offset = this.#start + number * ticketBytes;
    const state = sent(++this.#uses);
    storeWord(this.#words, offset >>> 2, state);
    return { number, offset, state };
  }

  /** Takes one back that has ended. */
  give({ number }: Ticket): void {
    this.#spare.push(number);
  }

  /** Which ticket begins at an offset of the file. */
  numberAt(offset: number): number {
    return (offset - this.#start) / ticketBytes;
  }

  /**
   * Calls back when no thread can touch any more what the ticket's task was given: at once
   * where the task is done, or was never taken and cannot be any more; else when the thread
   * that took it is gone.
   */
  whenEnded({ offset, state }: Ticket, callback: () => void): void {
    const at = offset >>> 2;
    if (replaceWord(this.#words, at, state, cancelled)) return callback();
    const now = loadWord(this.#words, at);
    if (isTaken(now)) whenThreadGone(threadOf(now), callback);
    else callback();
  }

  /** Whether that is so already; changes nothing. */
  hasEnded(ticket: Ticket): boolean {
    const state = loadWord(this.#words, ticket.offset >>> 2);
    if (isSent(state)) return false;
    return !isTaken(state) || isThreadGone(threadOf(state));
  }

  isSent(ticket: Ticket): boolean {
    return isSent(loadWord(this.#words, ticket.offset >>> 2));
  }
}

/** In the thread that runs the task. False: it was cancelled, and nothing of it is left. */
export function takeTicket(words: Int32Array, ticket: TicketHandle, threadId: number): boolean {
  return replaceWord(words, ticket.offset >>> 2, ticket.state, taken(threadId));
}

/** In that thread, which touches nothing of the task's any more. */
export function endTicket(words: Int32Array, { offset }: TicketHandle): void {
  storeWord(words, offset >>> 2, done);
}
