/*
 * What travels in Piscina's own messages: arrays of numbers and few strings, which
 * structured cloning carries in a third of the time that objects with names take, told
 * from a user's by the string that they begin with.
 */
import type { TicketHandle } from './tickets.js';

const payloadMark = 'mmap:payload';
const taskMark = 'mmap:task';
const answerMark = 'mmap:answer';

/**
 * What stands for a payload: `[mark, kind, offset, length, arena, ticket, state]`. The kind
 * is a number of kinds.ts; the offset counts from the beginning of the arena's file, and in
 * its place are the bytes themselves where the arena had no room for them. The arena's path
 * is null where it is the envelope's. A ticket is there only where the task has none.
 */
export type Description = unknown[];

export function isDescription(object: object): object is Description {
  return Array.isArray(object) && object[0] === payloadMark;
}

/** A description of a payload whose place is yet to be told. */
export function newDescription(kind: number): Description {
  return [payloadMark, kind, 0, 0, null];
}

export function tellPlace(
  description: Description,
  offset: number,
  length: number,
  arena: string | null = null,
): void {
  description[2] = offset;
  description[3] = length;
  description[4] = arena;
}

export function tellTicket(description: Description, { offset, state }: TicketHandle): void {
  description.push(offset, state);
}

export function tellBytes(description: Description, bytes: Uint8Array): void {
  description[2] = bytes;
}

/** What a description says; it comes from another thread, and may be anything. */
export interface Told {
  kind: number;
  bytes: Uint8Array<ArrayBuffer> | undefined;
  offset: number;
  length: number;
  arena: string | null;
  ticket: TicketHandle | undefined;
}

export function readDescription(description: Description): Told {
  const [, kind, place, length, arena, ticket, state] = description;
  const isPlace = typeof place === 'number';
  return {
    kind: kind as number,
    bytes: isPlace ? undefined : (place as Uint8Array<ArrayBuffer>),
    offset: isPlace ? place : 0,
    length: length as number,
    arena: arena as string | null,
    ticket: ticket === undefined ? undefined : { offset: ticket as number, state: state as number },
  };
}

/** What cloning leaves of a Payload that `pool.run` was given: its one own property. */
export function descriptionWithin(object: object): Description | undefined {
  const inner = (object as { mmapPayload?: unknown }).mmapPayload;
  return typeof inner === 'object' && inner !== null && isDescription(inner) ? inner : undefined;
}

/** A task on its way to `payloadTask`. */
export interface Envelope {
  readonly task: unknown;
  /** Null: the one that the pool's `workerData` names. */
  readonly arena: string | null;
  /** Null where the arena is full: then everything is cloned. */
  readonly ticket: TicketHandle | null;
  /** An offset in the arena's file. */
  readonly room: number;
  readonly roomLength: number;
}

export function seal(
  task: unknown,
  arena: string | null,
  ticket: TicketHandle | undefined,
  room: { offset: number; length: number } | undefined,
): unknown[] {
  return [
    taskMark,
    ticket?.offset ?? 0,
    ticket?.state ?? 0,
    room?.offset ?? 0,
    room?.length ?? 0,
    arena,
    task,
  ];
}

/** @returns undefined for a task that is no envelope */
export function unseal(message: unknown): Envelope | undefined {
  if (!Array.isArray(message) || message[0] !== taskMark) return undefined;
  const [, offset, state, room, roomLength, arena, task] = message as [
    string,
    number,
    number,
    number,
    number,
    string | null,
    unknown,
  ];
  const ticket = offset === 0 ? null : { offset, state };
  return { task, arena, ticket, room, roomLength };
}

/** A result on its way back. */
export interface Answer {
  readonly result: unknown;
  /** How many payloads are in it. */
  readonly payloads: number;
  /** Bytes of room that they wanted. */
  readonly wanted: number;
}

/** What is no object travels as it is. */
export function sealAnswer({ result, payloads, wanted }: Answer): unknown {
  return isObject(result) ? [answerMark, payloads, wanted, result] : result;
}

/** @returns undefined for what no `payloadTask` said */
export function unsealAnswer(message: unknown): Answer | undefined {
  if (!isObject(message)) return { result: message, payloads: 0, wanted: 0 };
  if (!Array.isArray(message) || message[0] !== answerMark) return undefined;
  const [, payloads, wanted, result] = message as [string, number, number, unknown];
  return { result, payloads, wanted };
}

export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/**
 * A thread asks for room for its result, and the owner answers, on the BroadcastChannel named
 * after the arena; with the ticket's offset and state, which no other task has.
 */
export interface Request extends TicketHandle {
  /** Bytes that are wanted. */
  readonly wanted: number;
}

export interface Grant extends TicketHandle {
  /** The room's offset and bytes; 0 where there is none to be had. */
  readonly room: number;
  readonly roomLength: number;
}

/** Piscina's protocol for values that travel otherwise than they look. */
export const transferable = Symbol.for('Piscina.transferable');
export const valueOf = Symbol.for('Piscina.valueOf');
export const queueOptions = Symbol.for('Piscina.queueOptions');

/** What `Piscina.move` made of a value; its own mark is not a registered symbol. */
export function isMoved(value: unknown): value is Moved {
  return (
    isObject(value) &&
    transferable in value &&
    valueOf in value &&
    Object.getOwnPropertySymbols(value).some(({ description }) => description === movable)
  );
}

const movable = 'Piscina.kMovable';

export interface Moved {
  readonly [transferable]: unknown;
  readonly [valueOf]: unknown;
}

/** Moves the same things with another value around them. */
export function moveWith(moved: Moved, value: unknown): Moved {
  const symbols = Object.getOwnPropertySymbols(moved);
  const mark = symbols.find(({ description }) => description === movable)!;
  return { [transferable]: moved[transferable], [valueOf]: value, [mark]: true };
}
