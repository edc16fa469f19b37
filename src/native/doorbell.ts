import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { systemError } from '../errors.js';
import { addon, type NativeDoorbellRinger, type NativeDoorbell } from './addon.js';
import { atExit } from './at-exit.js';
import { regionDirectory } from './directory.js';

/** Bytes of a bell's random name. */
const idBytes = 12;

/** How many tokens one turn of the loop takes in; more wait for the next turn. */
const tokensPerTurn = 1024;

const fileName = (id: Uint8Array) => `bell-${Buffer.from(id).toString('hex')}`;

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
   * @param onRing called from the loop with the number that a ring carried
   * @throws {ShmError} the errno name where the bell cannot be made
   */
  constructor(onRing: (token: number) => void) {
    this.directory = regionDirectory();
    const tokens = new Uint32Array(tokensPerTurn);
    const { id, native } = listen(this.directory, tokens, count => {
      for (let i = 0; i < count; i++) onRing(tokens[i]!);
    });
    this.id = id;
    this.#native = native;
    // `process.exit` ends the main thread without the addon's clean-up.
    this.#stayOpen = atExit(() => native.close());
  }

  /** The loop stays alive for as long as there are more calls of this than of `unref`. */
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

function listen(
  directory: string,
  tokens: Uint32Array,
  callback: (count: number) => void,
): { id: Uint8Array; native: NativeDoorbell } {
  for (;;) {
    const id = randomBytes(idBytes);
    const path = join(directory, fileName(id));
    try {
      return { id, native: new addon.Doorbell(path, tokens, callback) };
    } catch (cause) {
      const error = systemError(cause, 'doorbell.create', path);
      // Another's name, or reaped between its making and its lease.
      if (error.code !== 'EEXIST' && error.code !== 'EAGAIN') throw error;
    }
  }
}

interface SharedRinger {
  readonly native: NativeDoorbellRinger;
  users: number;
}

/** Of this thread, by path: many rings with one peer share a descriptor. */
const ringers = new Map<string, SharedRinger>();

/** Rings the doorbell of another thread or process. */
export class DoorbellRinger {
  readonly #path: string;
  readonly #shared: SharedRinger;
  #closed = false;

  /**
   * @throws {ShmError} `EINVAL` where what has that name is no bell of this user's.
   *   A bell that is gone is no error: `ring` says so.
   */
  constructor(directory: string, id: Uint8Array) {
    this.#path = join(directory, fileName(id));
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

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (--this.#shared.users > 0) return;
    ringers.delete(this.#path);
    this.#shared.native.close();
  }
}
