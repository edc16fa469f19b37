import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { ShmError, systemError } from '../errors.js';
import { Access, addon, type NativeMapping } from './addon.js';
import { unsafe } from './directory.js';
import { sharedBuffer } from './views.js';

/**
 * A look at a region that others use. It holds no lease, so that the region goes with its last
 * user as if nobody looked, and can write nothing.
 */
export class Observer {
  /** What errors call the region. */
  readonly path: string;
  /** For Atomics. */
  readonly words: Int32Array;
  readonly #mapping: NativeMapping;

  /**
   * @param file what to open, where that is not the region's own path: on Linux another
   *   process's descriptor of a region whose name is gone
   * @throws {ShmError} `ENOENT`; `ERR_UNSAFE_FILE` where it is not a plain file of this user's
   *   that only this user can open
   */
  constructor(path: string, file = path) {
    const operation = 'region.observe';
    this.path = path;
    const follow = file === path ? (constants.O_NOFOLLOW ?? 0) : 0;
    let fd: number | undefined;
    let length: number;
    try {
      // Without O_NONBLOCK a FIFO in the file's place would block here.
      fd = openSync(file, constants.O_RDONLY | follow | (constants.O_NONBLOCK ?? 0));
      const stats = fstatSync(fd);
      const fault = unsafe(stats, 'file');
      if (fault) throw new ShmError('ERR_UNSAFE_FILE', fault, operation, path);
      length = stats.size;
      this.#mapping = new addon.Mapping(fd, 0, length, Access.read, 0, path);
    } catch (cause) {
      throw systemError(cause, operation, path);
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
    // A length that is no multiple of 4 is no region's.
    this.words = new Int32Array(
      length < 4 ? new SharedArrayBuffer(0) : sharedBuffer(this.#mapping),
      0,
      length >> 2,
    );
  }

  /** Whether anybody holds the byte lock. */
  isLocked(offset: number): boolean {
    return this.#mapping.byteIsLocked(offset);
  }

  close(): void {
    this.#mapping.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
