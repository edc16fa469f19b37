/*
 * What travels in Piscina's own messages: arrays of numbers and few strings, which structured
 * cloning carries in a third of the time that objects with names take. Each begins with a string
 * that tells it from a user's array. What comes in is checked before it is used.
 */
import type { TaskSlot } from './task-slots.js';

const payloadMagic = 'mmap:payload';
const taskMagic = 'mmap:task';
const resultMagic = 'mmap:result';

/**
 * What stands for a payload. The kind is a number of view-kinds.ts. The place is an offset in the
 * arena's file; or, where the arena had no room, the bytes themselves. The arena's path is null
 * where it is the task's.
 */
export type PayloadRef = [
  magic: string,
  kind: number,
  place: number | Uint8Array<ArrayBuffer>,
  length: number,
  arena: string | null,
];

export function newPayloadRef(kind: number): PayloadRef {
  return [payloadMagic, kind, 0, 0, null];
}

export function setLocation(ref: PayloadRef, offset: number, length: number): void {
  ref[2] = offset;
  ref[3] = length;
}

export function isPayloadRef(object: object): object is PayloadRef {
  return Array.isArray(object) && object[0] === payloadMagic;
}

/**
 * A task on its way to `payloadTask`. The slot is a word of the arena's file, or the memory of a
 * slot of its own; the room for its result is a place in that file. The arena's path is null where
 * the pool's `workerData` names it.
 */
export type TaskMessage = [
  magic: string,
  slot: number | ArrayBufferLike,
  sentWord: number,
  room: number,
  roomLength: number,
  arena: string | null,
  task: unknown,
];

export function encodeTask(
  task: unknown,
  arena: string | null,
  { number, words, index, sentWord }: TaskSlot,
  room: { offset: number; length: number } | undefined,
): TaskMessage {
  const slot = number === -1 ? words.buffer : index;
  return [taskMagic, slot, sentWord, room?.offset ?? 0, room?.length ?? 0, arena, task];
}

/** @returns undefined for a task that did not come by `runWithPayloads` */
export function decodeTask(message: unknown): TaskMessage | undefined {
  return Array.isArray(message) && message[0] === taskMagic ? (message as TaskMessage) : undefined;
}

/** A result on its way back; `wanted` is how many bytes of room its views needed. */
export type TaskResult = [
  magic: string,
  payloadRefs: number,
  wanted: number,
  clones: number,
  result: unknown,
];

export function encodeResult(result: unknown, refs = 0, wanted = 0, clones = 0): TaskResult {
  return [resultMagic, refs, wanted, clones, result];
}

/** What is no object, and what `Piscina.move` made, travels as it is. */
export function decodeResult(message: unknown): TaskResult {
  const isEncoded = Array.isArray(message) && message[0] === resultMagic;
  return isEncoded ? (message as TaskResult) : encodeResult(message);
}

/**
 * How a thread asks for more room for its result, and how the owner answers, on the BroadcastChannel
 * named after the arena. No other task has the same slot and word.
 */
export interface ResultBufferRequest {
  readonly slot: number;
  readonly sentWord: number;
  readonly wanted?: number;
  /** Absent where there is none. */
  readonly room?: { readonly offset: number; readonly length: number } | undefined;
}

export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** Piscina's protocol for values that travel otherwise than they look. */
export const transferable = Symbol.for('Piscina.transferable');
export const valueOf = Symbol.for('Piscina.valueOf');
export const queueOptions = Symbol.for('Piscina.queueOptions');

export interface Moved {
  readonly [transferable]: unknown;
  readonly [valueOf]: unknown;
}

/** What `Piscina.move` made of a value. The sign that it leaves is no registered symbol. */
export function isMoved(value: unknown): value is Moved {
  if (!isObject(value) || !(transferable in value) || !(valueOf in value)) return false;
  const symbols = Object.getOwnPropertySymbols(value);
  return symbols.some(({ description }) => description === 'Piscina.kMovable');
}
