import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { systemError } from '../../errors.js';
import { atExit } from '../../native/at-exit.js';
import { closeQuietly, removeQuietly } from '../../native/descriptors.js';
import { regionDirectory } from '../../native/directory.js';
import { isRecent, reapExcept } from '../../native/reap.js';
import { createSegmentAt, unlinkQuietly } from '../../native/segment.js';

/*
 * The peers of a bus find each other in the region directory, by two files each:
 *
 *   bus-<hash of the bus's name, 12 hex><peer, random, 12 hex>        held under a lease
 *   the same with .sock                                               its socket
 *
 * The first is made first: the lease protects both. `reap` removes both where the lease is free,
 * because the owner is dead, or for a moment while the first file is being made. On Windows the
 * socket is a pipe of that name, and no file.
 *
 * So a peer can be seen before it listens. One that dials it then is refused, and need not try again:
 * the peer lists the others only once it listens, and then finds the dialer, which does everything in
 * the same order.
 */

const partBytes = 6;
const instancePattern = new RegExp(`^[0-9a-f]{${2 * partBytes}}$`);
const isWindows = process.platform === 'win32';

/**
 * How long a socket without the other file is left, in milliseconds: its owner may be removing it.
 */
const onItsWay = 60_000;

/** Where one peer of a bus is found, and finds the others. */
export class PeerDirectory {
  /** Of this peer, and of no other before or after it. */
  readonly instance = randomBytes(partBytes).toString('hex');
  readonly #directory: string;
  readonly #prefix: string;
  #fd = -1;
  #stay: (() => void) | undefined;

  /** @throws {ShmError} `ERR_UNSAFE_DIRECTORY` */
  constructor(busName: string, directory: string | undefined) {
    this.#directory = regionDirectory(directory);
    const hash = createHash('sha256').update(busName).digest();
    this.#prefix = `bus-${hash.subarray(0, partBytes).toString('hex')}`;
    reapExcept(this.#directory);
  }

  /** Where a peer listens and is dialled. */
  address(instance = this.instance): string {
    const name = this.#prefix + instance;
    return isWindows ? `\\\\.\\pipe\\mmap-transport-${name}` : `${this.#path(instance)}.sock`;
  }

  /** Whether a peer's word for its instance can be one. */
  static isInstance(value: unknown): value is string {
    return typeof value === 'string' && instancePattern.test(value);
  }

  /** Lets the others find this peer; before it listens, see above. */
  reveal(): void {
    this.#fd = createSegmentAt('bus.join', this.#path(this.instance), 1).fd;
    // `process.exit` leaves no time to close a bus.
    this.#stay = atExit(() => this.hide());
  }

  hide(): void {
    if (this.#fd < 0) return;
    this.#stay?.();
    const own = this.#path(this.instance);
    try {
      if (!isWindows) removeQuietly(this.address()); // the end of its server does that too
      unlinkQuietly(own);
    } finally {
      // Without the lease another peer removes what is left.
      closeQuietly(this.#fd);
      this.#fd = -1;
    }
  }

  /** The other peers there are; some may have died meanwhile. */
  others(): string[] {
    const found: string[] = [];
    for (const name of this.#names()) {
      if (!name.startsWith(this.#prefix)) continue;
      const instance = name.slice(this.#prefix.length);
      if (instancePattern.test(instance)) found.push(instance);
      else this.#removeOrphan(name);
    }
    return found.filter(instance => instance !== this.instance);
  }

  /** Whether a peer can still be found. */
  has(instance: string): boolean {
    const path = this.#path(instance);
    try {
      return statSync(path, { throwIfNoEntry: false }) !== undefined;
    } catch (cause) {
      throw systemError(cause, 'bus.join', path);
    }
  }

  #names(): string[] {
    try {
      return readdirSync(this.#directory);
    } catch (cause) {
      throw systemError(cause, 'bus.join', this.#directory);
    }
  }

  /**
   * Removes what lets others find a peer that was killed. Nothing else: memory that it has offered
   * to a peer may not have been taken yet.
   */
  forget(instance: string): void {
    const own = this.#prefix + instance;
    reapExcept(this.#directory, new Set(this.#names().filter(name => name !== own)));
  }

  /** Removes what killed processes left. */
  reap(): void {
    reapExcept(this.#directory);
  }

  #path(instance: string): string {
    return join(this.#directory, this.#prefix + instance);
  }

  /** Of an earlier version, whose owner was killed between the two files. */
  #removeOrphan(name: string): void {
    const path = join(this.#directory, name);
    try {
      const stats = statSync(path, { throwIfNoEntry: false });
      const owner = statSync(path.replace(/\.sock$/, ''), { throwIfNoEntry: false });
      if (stats?.isSocket() && !owner && !isRecent(stats, onItsWay)) removeQuietly(path);
    } catch {
      // It stays until somebody can look at it.
    }
  }
}
