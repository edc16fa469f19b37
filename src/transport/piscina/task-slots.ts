/*
 * A slot is one word, which says what has become of a task: ADR-0030. Only the owner stores `sent`
 * and `cancelled`, only the thread that runs the task `taken` and `done`.
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

export interface TaskSlot {
  /** Those of the arena's file; or a single one, which travels with the task. */
  readonly words: Int32Array;
  readonly index: number;
  /** What it holds while the task is on its way: no other task of this slot has the same. */
  readonly sentWord: number;
}

/** The slots of a partition, as its owner sees them. */
export class TaskSlots {
  readonly #words: Int32Array;
  /** The first that was never used, and the end. */
  #next: number;
  readonly #end: number;
  readonly #spare: number[] = [];
  #uses = 0;

  /** @param start offset of the first in the arena's file */
  constructor(words: Int32Array, start: number, count: number) {
    this.#words = words;
    this.#next = start / 4;
    this.#end = (start + count * slotBytes) / 4;
  }

  /** Where all are in use, the slot lies in memory of its own. */
  take(): TaskSlot {
    let index = this.#spare.pop();
    if (index === undefined) {
      if (this.#next === this.#end) return loneSlot();
      index = this.#next;
      this.#next += slotBytes / 4;
    }
    return send(this.#words, index, ++this.#uses);
  }

  /** Takes back a slot whose task has ended. */
  give({ words, index }: TaskSlot): void {
    if (words === this.#words) this.#spare.push(index);
  }
}

/** A slot in memory of its own. */
export const loneSlot = () => send(new Int32Array(new SharedArrayBuffer(4)), 0, 0);

export const isLone = ({ words }: TaskSlot) => words.length === 1;

function send(words: Int32Array, index: number, use: number): TaskSlot {
  const sentWord = (use << stateBits) | SlotState.sent;
  storeWord(words, index, sentWord);
  return { words, index, sentWord };
}

/** In the thread that runs the task. False: it was cancelled, and nothing of it is left. */
export function takeSlot({ words, index, sentWord }: TaskSlot, threadId: number): boolean {
  return replaceWord(words, index, sentWord, (threadId << stateBits) | SlotState.taken);
}

/** In that thread, which does not touch the task's memory afterwards. */
export function finishSlot({ words, index }: TaskSlot): void {
  storeWord(words, index, SlotState.done);
}

/** Whether `payloadTask` ran the task to its end. */
export const isFinished = ({ words, index }: TaskSlot) => loadWord(words, index) === SlotState.done;

/**
 * Gives a task up. Calls back when no thread can touch its memory any more: at once where none has
 * taken it, or the one that did has finished it; else when that thread has ended.
 *
 * @returns whether no thread had taken it
 */
export function cancelSlot({ words, index, sentWord }: TaskSlot, callback: () => void): boolean {
  const wasSent = replaceWord(words, index, sentWord, SlotState.cancelled);
  const word = loadWord(words, index);
  if (stateOf(word) === SlotState.taken) whenThreadGone(word >>> stateBits, callback);
  else callback();
  return wasSent;
}
