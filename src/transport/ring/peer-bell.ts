import { isAbsolute } from 'node:path';
import { type Doorbell, DoorbellRinger } from '../../native/doorbell.js';
import { loadWord, storeWord } from './atomics.js';
import { Bell } from './layout.js';

/**
 * Writes down a thread's doorbell where its peer finds it.
 *
 * @param at the bell's first word
 * @returns why it cannot be written down, or undefined
 */
export function writeBell(
  { words, plain }: { readonly words: Int32Array; readonly plain: Uint8Array },
  at: number,
  bell: Doorbell,
  token: number,
): string | undefined {
  const directory = Buffer.from(bell.directory);
  if (directory.length > Bell.maxDirectoryBytes) {
    const most = `a region directory's path has at most ${Bell.maxDirectoryBytes} bytes`;
    return `${most}, got ${directory.length}: ${bell.directory}`;
  }
  storeWord(words, at + Bell.token, token);
  plain.set(bell.id, (at + Bell.id) * 4);
  storeWord(words, at + Bell.directoryLength, directory.length);
  plain.set(directory, (at + Bell.directory) * 4);
  return undefined;
}

/**
 * The other side's doorbell, opened when it is first rung and again when the role has got
 * a new holder with another bell.
 */
export class PeerBell {
  readonly #words: Int32Array;
  readonly #plain: Uint8Array;
  readonly #at: number;
  #id: Buffer = Buffer.alloc(0);
  #ringer: DoorbellRinger | undefined;

  constructor(words: Int32Array, plain: Uint8Array, at: number) {
    this.#words = words;
    this.#plain = plain;
    this.#at = at;
  }

  /**
   * False: nobody listens there, or the system refuses. What the peer waits for is published by
   * then, and its own look from time to time finds it. A dead peer is reported to waiters, not here.
   */
  ring(): boolean {
    const start = (this.#at + Bell.id) * 4;
    const id = this.#plain.subarray(start, start + Bell.idWords * 4);
    if (!this.#id.equals(id)) this.#open(Buffer.from(id));
    try {
      return this.#ringer?.ring(loadWord(this.#words, this.#at + Bell.token) >>> 0) ?? false;
    } catch {
      return false;
    }
  }

  /** What the header says of the bell is the peer's word: a path within bounds, a FIFO. */
  #open(id: Buffer): void {
    this.close();
    const length = loadWord(this.#words, this.#at + Bell.directoryLength);
    if (length < 0 || length > Bell.maxDirectoryBytes) return;
    const start = (this.#at + Bell.directory) * 4;
    const directory = Buffer.from(this.#plain.subarray(start, start + length)).toString();
    // A NUL would cut off the name behind it: any FIFO of this user could be rung then.
    if (!isAbsolute(directory) || directory.includes('\0')) return;
    try {
      this.#ringer = new DoorbellRinger(directory, id);
      this.#id = id;
    } catch {
      // What is named there is not one of our bells, or cannot be opened now. A peer that parks
      // behind it looks by itself from time to time; the record it waits for is published.
    }
  }

  close(): void {
    this.#ringer?.close();
    this.#ringer = undefined;
    this.#id = Buffer.alloc(0);
  }
}
