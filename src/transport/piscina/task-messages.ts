/*
 * What travels in Piscina's own messages: arrays of numbers and few strings, which structured
 * cloning carries in a third of the time that objects with names take. Each begins with a string
 * that tells it from a user's array. What comes in is checked before it is used.
 */
import { isObject } from './arguments.js';
import type { TaskSlot } from './task-slots.js';

const payloadMagic = 'mmap:payload';
const taskMagic = 'mmap:task';
const resultMagic = 'mmap:result';

/** A place in an arena's file, in bytes. */
interface Place {
  readonly offset: number;
  readonly length: number;
}

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

export function newPayloadRef(
  kind: number,
  place: PayloadRef[2],
  length: number,
  arena: string | null = null,
): PayloadRef {
  return [payloadMagic, kind, place, length, arena];
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
  room: Place = { offset: 0, length: 0 },
): TaskMessage {
  const slot = number === -1 ? words.buffer : index;
  return [taskMagic, slot, sentWord, room.offset, room.length, arena, task];
}

/** Tells a task that came by `runWithPayloads`. */
export function isTask(message: unknown): message is TaskMessage {
  return Array.isArray(message) && message[0] === taskMagic;
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
  readonly slot: TaskMessage[1];
  readonly sentWord: number;
  readonly wanted?: number;
  /** Absent where there is none. */
  readonly room?: Place | undefined;
}

/** Piscina's protocol for values that travel otherwise than they look. */
const transferable = Symbol.for('Piscina.transferable');
const valueOf = Symbol.for('Piscina.valueOf');
export const queueOptions = Symbol.for('Piscina.queueOptions');

/**
 * What `Piscina.move` made a value of, and what it asks to transfer; undefined for anything else.
 * The sign that it leaves is no registered symbol.
 */
export function unwrapMoved(moved: unknown): { value: unknown; transfers: unknown[] } | undefined {
  if (!isObject(moved) || !(transferable in moved) || !(valueOf in moved)) return undefined;
  const symbols = Object.getOwnPropertySymbols(moved);
  if (!symbols.some(({ description }) => description === 'Piscina.kMovable')) return undefined;
  return { value: moved[valueOf], transfers: [moved[transferable]].flat() };
}

/** The path of the arena whose handle is `payloads` in a pool's `workerData`. */
export function pathIn(workerData: unknown): string | undefined {
  const path = (workerData as { payloads?: { path?: unknown } } | null | undefined)?.payloads?.path;
  return typeof path === 'string' ? path : undefined;
}
