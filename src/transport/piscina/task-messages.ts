/*
 * What travels in Piscina's own messages: arrays of numbers and few strings, which structured
 * cloning carries in a third of the time that objects with names take. Each has the mark of its
 * arena: without it, an array that looks like one of these is a user's, and may be a stranger's.
 */
import { isObject } from '../../native/arguments.js';

/**
 * What stands for a payload. The kind is a number of view-kinds.ts. The place is an offset in the
 * arena's file; or, where there was no room, the bytes themselves, which are cloned on the way to
 * the thread and shared on the way back. The arena's path is null where it is the task's.
 */
export type PayloadRef = [
  mark: number,
  kind: number,
  place: number | Uint8Array,
  length: number,
  arena: string | null,
];

/**
 * A task on its way to `payloadTask`. The slot is a word of the arena's file, or the memory of a
 * slot of its own; the room for its result is a place in that file. The arena's path is null where
 * the pool's `workerData` names it.
 */
export type TaskMessage = [
  magic: typeof taskMagic,
  mark: number,
  slot: number | ArrayBufferLike,
  sentWord: number,
  room: number,
  roomLength: number,
  arena: string | null,
  task: unknown,
];

/** A result on its way back; `wanted` is how many bytes of room its views needed. */
export type TaskResult = [mark: number, payloadRefs: number, wanted: number, result: unknown];

export const taskMagic = 'mmap:task';
const begins = (value: unknown, first: unknown) => Array.isArray(value) && value[0] === first;
export const isRef = (value: unknown, mark: number): value is PayloadRef => begins(value, mark);
/** What is not an object, and what `Piscina.move` made, comes back as it is. */
export const isResult = (value: unknown, mark: number): value is TaskResult => begins(value, mark);
/** Whether it may be one: its mark has yet to be compared. */
export const isTask = (value: unknown): value is TaskMessage => begins(value, taskMagic);

/** Piscina's protocol for values that travel otherwise than they look. */
const transferable = Symbol.for('Piscina.transferable');
const valueOf = Symbol.for('Piscina.valueOf');
export const queueOptions = Symbol.for('Piscina.queueOptions');

/** What `Piscina.move` made a value of, and what it asks to transfer. */
export function unwrapMoved(moved: unknown): { value: unknown; transfers: unknown[] } | undefined {
  if (!isObject(moved) || !(transferable in moved) || !(valueOf in moved)) return undefined;
  // The sign that it leaves is not a registered symbol.
  const symbols = Object.getOwnPropertySymbols(moved);
  if (!symbols.some(({ description }) => description === 'Piscina.kMovable')) return undefined;
  return { value: moved[valueOf], transfers: [moved[transferable]].flat() };
}

/** The path of the arena whose handle is `payloads` in a pool's `workerData`. */
export function pathIn(workerData: unknown): string | undefined {
  const path = (workerData as { payloads?: { path?: unknown } } | null | undefined)?.payloads?.path;
  return typeof path === 'string' ? path : undefined;
}
