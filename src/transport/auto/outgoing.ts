import { AsyncResource } from 'node:async_hooks';
import { now, nextTick } from '../../timers.js';
import { WaitRetry } from '../ring/wait-retry.js';
import { switched } from './control-messages.js';
import { debug } from './debug.js';
import {
  type Control,
  type IpcTarget,
  isInternal,
  isSendable,
  type Send,
  type SendArguments,
  type SendCallback,
} from './node-ipc.js';
import type { SharedRings } from './shared-rings.js';
import type { TrafficEnd } from './traffic-end.js';

/** With more than this waiting, `send` says false, as Node's does. */
const highWaterMark = 2 * 65536;

/**
 * After the socket was needed (for a handle, or a message of Node's own), as many messages follow it
 * there: changing over costs more than a few messages.
 */
const leastBySocket = 4;

/** What waits for its turn: a record for the ring, or arguments for Node's `_send`. */
type Entry = { record: Uint8Array; callback?: SendCallback } | { send: SendArguments };

/** When every end of this process has pushed out what it had, at the latest. */
let exitDeadline: number | undefined;

/** At exit, in milliseconds and for the whole process. */
const exitPatience = 1000;

/**
 * What one end sends. At any time it uses either the socket or the ring. It changes from the socket
 * to the ring by `switch` over the socket, and back by a record in the ring, so that the other end
 * always knows where the next message is. What has to wait, for room in the ring, waits in one queue,
 * whatever it is; so the order is that of the calls.
 */
export class Outgoing {
  readonly #target: IpcTarget;
  readonly #plainSend: Send;
  readonly #control: Control | undefined;
  readonly #broken: () => void;
  #rings: SharedRings | undefined;
  #usesRing = false;
  #bySocket = 0;
  #queue: Entry[] = [];
  /** The first entry of the queue that still waits. */
  #first = 0;
  #waitingBytes = 0;
  #whenFlushed: (() => void) | undefined;
  readonly #retry = new WaitRetry(
    () => this.isWaiting && this.#awaitRoom(),
    error => debug('looks from time to time: %s', error.message),
  );

  /** @param broken called where the other end has made the ring unusable */
  constructor({ target, plainSend, control }: TrafficEnd, broken: () => void) {
    this.#broken = broken;
    this.#target = target;
    this.#plainSend = plainSend;
    this.#control = control;
  }

  /** From now on the ring may be used. */
  use(rings: SharedRings): void {
    this.#rings = rings;
  }

  get isWaiting(): boolean {
    return this.#first < this.#queue.length;
  }

  /** Node's `_send`, for what a program sends. */
  readonly send: Send = (message, handle, options, callback) => {
    const rings = this.#rings;
    if (!rings || !isSendable(message)) {
      return this.#plainSend(message, handle, options, callback); // which throws, if it must
    }
    if (handle || isInternal(message) || !this.#mayUseRing()) {
      return this.#sendBySocket([message, handle, options, callback]);
    }
    if (!this.#usesRing) this.#changeOver();
    let records: Uint8Array[] | undefined;
    try {
      records = this.isWaiting ? rings.encode(message) : rings.put(message);
    } catch (error) {
      if (!rings.isBroken) throw error;
      this.#broken();
      if (typeof callback === 'function') nextTick(callback, error);
      return false;
    }
    if (records) {
      this.#enqueueRecords(records, callback);
      return this.#waitingBytes < highWaterMark;
    }
    if (typeof callback === 'function') nextTick(callback, null);
    return true;
  };

  #mayUseRing(): boolean {
    if (this.#usesRing) return true;
    // Behind a handle that the peer has not acknowledged, Node keeps everything in order.
    return this.#target._handleQueue === null && ++this.#bySocket > leastBySocket;
  }

  #changeOver(): void {
    this.#usesRing = true;
    const entry: SendArguments = [switched, undefined, true, undefined];
    if (this.isWaiting) this.#queue.push({ send: entry });
    else this.#plainSend(...entry);
  }

  #sendBySocket(args: SendArguments): boolean {
    if (this.#usesRing) {
      this.#usesRing = false;
      this.#bySocket = 0;
      const { backRecord } = this.#rings!;
      if (this.isWaiting || !this.#tryWrite(backRecord)) this.#enqueueRecords([backRecord]);
    }
    if (!this.isWaiting) return this.#plainSend(...args);
    this.#queue.push({ send: args });
    return this.#waitingBytes < highWaterMark;
  }

  /** False where there is no room, or never will be. */
  #tryWrite(record: Uint8Array): boolean {
    const rings = this.#rings!;
    try {
      return rings.output.tryWrite(record);
    } catch (error) {
      if (!rings.isBroken) throw error;
      debug('sends no more: %s', (error as Error).message);
      return false; // waiting for room reports it
    }
  }

  #enqueueRecords(records: Uint8Array[], callback?: SendCallback): void {
    const wasWaiting = this.isWaiting;
    for (const record of records) {
      this.#waitingBytes += record.length;
      this.#queue.push({ record });
    }
    if (typeof callback === 'function') {
      // It runs in the context of its `send`, not in that of whatever makes room.
      const last = this.#queue.at(-1) as { callback?: SendCallback };
      last.callback = AsyncResource.bind(callback);
    }
    if (wasWaiting) return;
    this.#control?.refCounted();
    this.#awaitRoom();
  }

  #awaitRoom(): void {
    const { record } = this.#queue[this.#first] as { record: Uint8Array };
    const { step } = this.#rings!;
    this.#rings!.awaitRoom(Math.max(record.length, Math.min(this.#waitingBytes, step)));
  }

  /** There is room for what waits, or an error. */
  roomCame(error?: Error, temporary = false): void {
    if (temporary) return this.#retry.failed(error!, false);
    if (error) {
      debug('waits in vain: %s', error.message);
      if (this.#rings?.isBroken) this.#broken();
      return;
    }
    this.#retry.succeeded();
    this.#flush();
  }

  /** Writes as much of the queue as there is room for. */
  #flush(): void {
    let isOver = false;
    try {
      isOver = this.#writeQueue();
    } catch (error) {
      if (!this.#rings?.isBroken) throw error;
      debug('sends no more: %s', (error as Error).message);
      return this.#broken();
    } finally {
      // What Node's `_send` threw for an entry goes up; the entries behind it follow.
      if (!isOver && this.#rings && this.isWaiting) nextTick(() => this.#flush());
    }
    if (!this.isWaiting) this.#flushed();
  }

  /** @returns whether it has come to its end, or waits for room */
  #writeQueue(): boolean {
    const { output } = this.#rings!;
    output.cork();
    try {
      while (this.isWaiting) {
        const entry = this.#queue[this.#first]!;
        if ('send' in entry) {
          this.#first++;
          output.uncork(); // the socket comes after what is in the ring
          this.#plainSend(...entry.send);
          if (!this.#rings) return true; // an accessor of the message has disconnected
          output.cork();
        } else if (output.tryWrite(entry.record)) {
          this.#written(entry);
        } else {
          if (output.roleHolder.peerEnded()) this.#drop();
          else this.#awaitRoom();
          return true;
        }
      }
    } finally {
      if (!output.closed) output.uncork();
    }
    return true;
  }

  #written({ record, callback }: { record: Uint8Array; callback?: SendCallback }): void {
    this.#first++;
    this.#waitingBytes -= record.length;
    if (callback) nextTick(callback, null);
  }

  /** Nobody will read it. Node's writes that are cancelled call back without an error, too. */
  #drop(): void {
    for (const entry of this.#queue.slice(this.#first)) {
      if ('send' in entry) continue;
      if (entry.callback) nextTick(entry.callback, null);
    }
    this.#first = this.#queue.length;
  }

  #flushed(): void {
    const wasWaiting = this.#queue.length > 0;
    this.#queue = [];
    this.#first = 0;
    this.#waitingBytes = 0;
    if (wasWaiting) this.#control?.unrefCounted();
    const then = this.#whenFlushed;
    this.#whenFlushed = undefined;
    then?.();
  }

  /** Calls back once nothing waits any more. */
  whenFlushed(then: () => void): void {
    this.#whenFlushed = then;
  }

  /** From now on everything goes by the socket; what waits is dropped. */
  stop(): void {
    this.#rings = undefined;
    this.#usesRing = false;
    this.#whenFlushed = undefined;
    if (!this.isWaiting) return;
    this.#drop();
    this.#flushed();
  }

  /**
   * The process exits: what waits is pushed out, which blocks for a second at most. What is sent
   * afterwards, by later listeners for 'exit', goes by the socket.
   */
  flushAtExit(): void {
    const rings = this.#rings;
    if (!rings) return;
    this.#rings = undefined;
    exitDeadline ??= now() + exitPatience;
    try {
      for (const entry of this.#queue.slice(this.#first)) {
        if ('send' in entry) this.#plainSend(...entry.send);
        else if (!writeUntil(rings, entry.record, exitDeadline)) return;
      }
      if (this.#usesRing) writeUntil(rings, rings.backRecord, exitDeadline);
    } catch (error) {
      debug('at exit: %s', (error as Error).message);
    }
  }
}

function writeUntil({ output }: SharedRings, record: Uint8Array, deadline: number): boolean {
  return output.writeSync(record, Math.max(0, deadline - now()));
}
