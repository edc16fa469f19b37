import { join } from 'node:path';
import { ShmError, systemError } from '../errors.js';
import { addon, type NativeDoorbellRinger, type NativeDoorbell } from './addon.js';
import { atExit } from './at-exit.js';
import { regionDirectory } from './directory.js';
import { randomBytes } from './random.js';

/** Bytes of a bell's random name. */
const idBytes = 12;

const fileName = (id: Uint8Array) => `bell-${Buffer.from(id).toString('hex')}`;

const bellPath = (directory: string, id: Uint8Array) => join(directory, fileName(id));

/**
 * Refuses where the event loop cannot wait for a bell: Bun ends the process in `uv_poll_init`.
 *
 * @throws {ShmError} `ERR_UNSUPPORTED`
 */
export function needBells(operation: string): void {
  const { bun } = process.versions;
  if (bun === undefined) return;
  const detail =
    `expected a runtime that can wait for shared memory on its event loop, got Bun ${bun}; ` +
    "use blocking calls, or `wait: 'busy'`";
  throw new ShmError('ERR_UNSUPPORTED', detail, operation);
}

/**
 * Wakes this thread's event loop when another thread or process rings: a FIFO in the
 * region directory, polled by libuv; on Windows a named event. Idle it costs nothing. Each
 * ring carries a number that says what it is for.
 */
export class Doorbell {
  readonly id: Uint8Array;
  readonly directory: string;
  readonly #native: NativeDoorbell;
  #refs = 0;
  readonly #stayOpen: () => void;

  /**
   * @param onRing called from the loop with the number that a ring carried, in no asynchronous
   *   context. Each number is a callback of its own: microtasks and ticks run before the next,
   *   and what it throws is an uncaught exception at once, after which the rest still comes in
   *   the same turn. After {@link close} nothing more comes.
   * @throws {ShmError} the errno name where the bell cannot be made
   */
  constructor(onRing: (token: number) => void) {
    needBells('doorbell.create');
    this.directory = regionDirectory();
    const { id, native } = listen(this.directory, onRing);
    this.id = id;
    this.#native = native;
    // `process.exit` ends the main thread without the addon's clean-up.
    this.#stayOpen = atExit(() => native.close());
  }

  /** The loop stays alive as long as this was called more often than `unref`. */
  ref(): void {
    if (this.#refs++ === 0) this.#native.ref();
  }

  unref(): void {
    if (--this.#refs === 0) this.#native.unref();
  }

  /** Removes the bell. The end of the thread does the same. */
  close(): void {
    this.#stayOpen();
    this.#native.close();
  }
}

/** How often to try again if the bell is removed before it is finished. */
const mostAttempts = 20;

function listen(
  directory: string,
  callback: (token: number) => void,
): { id: Uint8Array; native: NativeDoorbell } {
  for (let attempt = 1; ; attempt++) {
    const id = randomBytes(idBytes);
    const path = bellPath(directory, id);
    // The bell's name until it listens: a bell with its final name and no listener is left over.
    const making = bellPath(directory, randomBytes(idBytes));
    try {
      return { id, native: new addon.Doorbell(path, making, callback) };
    } catch (cause) {
      const error = systemError(cause, 'doorbell.create', path);
      // The name was taken, or the bell was removed as left over before it listened.
      const isPassing = error.code === 'EEXIST' || error.code === 'EAGAIN';
      if (!isPassing || attempt === mostAttempts) throw error;
    }
  }
}

interface SharedRinger {
  readonly native: NativeDoorbellRinger;
  users: number;
}

/** This thread's, by path: many rings with one peer share a descriptor. */
const ringers = new Map<string, SharedRinger>();

/** Rings the doorbell of another thread or process. */
export class DoorbellRinger {
  readonly #path: string;
  readonly #shared: SharedRinger;
  #closed = false;

  /**
   * @throws {ShmError} `EINVAL` where what has that name is not a bell of this user's. A bell that
   *   is gone is not an error: `ring` says so.
   */
  constructor(directory: string, id: Uint8Array) {
    this.#path = bellPath(directory, id);
    let shared = ringers.get(this.#path);
    if (!shared) {
      try {
        shared = { native: new addon.DoorbellRinger(this.#path), users: 0 };
      } catch (cause) {
        throw systemError(cause, 'doorbell.open', this.#path);
      }
      ringers.set(this.#path, shared);
    }
    shared.users++;
    this.#shared = shared;
  }

  /** False: nobody listens there any more. */
  ring(token: number): boolean {
    return this.#shared.native.ring(token);
  }

  /** Removes the bell as well where its listener was killed. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (--this.#shared.users > 0) return;
    ringers.delete(this.#path);
    this.#shared.native.close();
  }
}
