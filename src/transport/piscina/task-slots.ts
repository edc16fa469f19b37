/*
 * A slot is one word, which says what has become of a task. The owner stores `sent`, with a number
 * that no earlier use of the slot had. The thread that runs the task replaces exactly that by
 * `taken`, with its threadId, and stores `done` at the end. The owner may replace `sent` by
 * `cancelled`; after that no thread can take the task.
 */
import { loadWord, replaceWord, storeWord } from '../ring/atomics.js';
import { slotBytes } from './arena-layout.js';
import { whenThreadGone } from './threads.js';

/** In the low two bits; the number or threadId is above. */
const SlotState = { cancelled: 0, sent: 1, taken: 2, done: 3 } as const;
const stateBits = 2;
const stateOf = (word: number) => word & 3;

export const isUnderWay = (word: number) =>
  stateOf(word) === SlotState.sent || stateOf(word) === SlotState.taken;

export interface SlotRef {
  readonly words: Int32Array;
  /** Which of the words. */
  readonly index: number;
  /** What it holds while the task is on its way: no other task of this slot has the same. */
  readonly sentWord: number;
}

/** A slot as its owner has it. */
export interface TaskSlot extends SlotRef {
  /** Which of the partition's; -1 for one in memory of its own. */
  readonly number: number;
}

/** The slots of a partition, as its owner sees them. */
export class TaskSlots {
  readonly #words: Int32Array;
  readonly #start: number;
  readonly #count: number;
  readonly #spare: number[] = [];
  #made = 0;
  #uses = 0;

  /** @param start offset of the first in the arena's file */
  constructor(words: Int32Array, start: number, count: number) {
    this.#words = words;
    this.#start = start / 4;
    this.#count = count;
  }

  /** Where all are in use, the slot lies in memory of its own, which travels with the task. */
  take(): TaskSlot {
    const number = this.#spare.pop() ?? (this.#made < this.#count ? this.#made++ : -1);
    if (number === -1) return loneSlot();
    return send(this.#words, this.#start + number * (slotBytes / 4), ++this.#uses, number);
  }

  /** Takes back a slot whose task has ended. */
  give({ number }: TaskSlot): void {
    if (number !== -1) this.#spare.push(number);
  }
}

export function loneSlot(): TaskSlot {
  return send(new Int32Array(new SharedArrayBuffer(4)), 0, 0, -1);
}

function send(words: Int32Array, index: number, use: number, number: number): TaskSlot {
  const sentWord = (use << stateBits) | SlotState.sent;
  storeWord(words, index, sentWord);
  return { words, index, sentWord, number };
}

/** In the thread that runs the task. False: it was cancelled, and nothing of it is left. */
export function takeSlot({ words, index, sentWord }: SlotRef, threadId: number): boolean {
  return replaceWord(words, index, sentWord, (threadId << stateBits) | SlotState.taken);
}

/** In that thread, which does not touch the task's memory afterwards. */
export function finishSlot({ words, index }: SlotRef): void {
  storeWord(words, index, SlotState.done);
}

/** Whether `payloadTask` ran the task to its end. */
export function isFinished({ words, index }: SlotRef): boolean {
  return loadWord(words, index) === SlotState.done;
}

/**
 * Gives a task up. Calls back when no thread can touch its memory any more: at once where none has
 * taken it, or the one that did has finished it; else when that thread has ended.
 *
 * @returns whether no thread had taken it
 */
export function cancelSlot({ words, index, sentWord }: SlotRef, callback: () => void): boolean {
  const wasSent = replaceWord(words, index, sentWord, SlotState.cancelled);
  const word = loadWord(words, index);
  if (stateOf(word) === SlotState.taken) whenThreadGone(word >>> stateBits, callback);
  else callback();
  return wasSent;
}
