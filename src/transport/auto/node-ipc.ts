import type { EventEmitter } from 'node:events';

/*
 * What this folder relies on of Node's own IPC channel (lib/internal/child_process.js, alike in
 * Node 20, 22, 24 and 26). Nothing else here knows any of it; where a Node has it otherwise,
 * `findInternals` says so and that process goes on as if nothing had been loaded.
 */

/** The third argument of `send`; `_send` also takes a boolean, for what Node sends by itself. */
export type SendOptions = { keepOpen?: boolean; swallowErrors?: boolean } | boolean | undefined;
export type SendCallback = ((error: Error | null) => void) | undefined;
export type SendArguments = [
  message: unknown,
  handle: unknown,
  options: SendOptions,
  callback: SendCallback,
];
export type Send = (...args: SendArguments) => boolean;

/** `process.channel`, `subprocess.channel`. */
export interface Control {
  /** Keeps the process alive until {@link unrefCounted}, unless the user has said otherwise. */
  refCounted(): void;
  unrefCounted(): void;
}

/** The socket below. */
export interface PipeHandle {
  /** Called with what was read; with nothing at the end. */
  onread: (bytes?: ArrayBuffer) => void;
}

/** `process`, or a ChildProcess, with an IPC channel. */
export interface IpcTarget extends EventEmitter {
  readonly connected: boolean;
  /** Undefined or null once it is disconnected. */
  readonly channel?: Control | null;
  /** What waits for the peer's word that it has got a handle; null where nothing has been sent. */
  readonly _handleQueue: unknown[] | null;
  _send: Send;
  disconnect(): void;
  _disconnect: () => void;
}

/** An event that waits for the first listener for 'message'. */
type PendingEvent = [event: string, message: unknown, handle: unknown];

export interface Internals {
  readonly control: Control;
  readonly pipe: PipeHandle;
  /** Events that wait for a listener; Node puts another array there. */
  pending(): PendingEvent[] | undefined;
}

/** Undefined where there is no channel, or this Node has it otherwise. */
export function findInternals(target: IpcTarget): Internals | undefined {
  const { channel: control } = target;
  if (!control) return undefined;
  const pipe = bySymbol(target, 'kChannelHandle')?.value as PipeHandle | null | undefined;
  const pending = bySymbol(control, 'kPendingMessages');
  const isKnown =
    typeof pipe?.onread === 'function' &&
    Array.isArray(pending?.value) &&
    typeof control.refCounted === 'function' &&
    typeof control.unrefCounted === 'function' &&
    typeof target._send === 'function' &&
    typeof target._disconnect === 'function' &&
    '_handleQueue' in target;
  if (!isKnown) return undefined;
  const { key } = pending;
  return {
    control,
    pipe: pipe,
    pending: () => (target.channel as Record<symbol, PendingEvent[]> | null | undefined)?.[key],
  };
}

function bySymbol(object: object, name: string): { key: symbol; value: unknown } | undefined {
  const key = Object.getOwnPropertySymbols(object).find(({ description }) => description === name);
  return key && { key, value: (object as Record<symbol, unknown>)[key] };
}

const prefix = 'NODE_';

/** Messages that Node emits as 'internalMessage'. */
export function isInternal(message: unknown): boolean {
  if (typeof message !== 'object' || message === null) return false;
  const { cmd } = message as { cmd?: unknown };
  return typeof cmd === 'string' && cmd.length > prefix.length && cmd.startsWith(prefix);
}

/** What `send` takes; it throws for anything else. */
export function isSendable(message: unknown): boolean {
  const type = typeof message;
  return type === 'string' || type === 'object' || type === 'number' || type === 'boolean';
}
