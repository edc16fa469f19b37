import { constants } from 'node:fs';
import { systemError } from '../errors.js';
import { Access, addon, type NativeMapping } from './addon.js';
import { closeQuietly } from './descriptors.js';
import { checkMappable } from './limits.js';
import { noFollow, openOwnFile } from './segment.js';
import { sharedBuffer } from './views.js';

/**
 * A look at a region that others use. It holds no lease, so that the region goes with its last
 * user as if nobody looked, and can write nothing.
 */
export class RegionSnapshot {
  /** What errors call the region. */
  readonly path: string;
  /** The region's words, to be loaded only: a store would end the process. */
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
    // A descriptor of another process is a link, too.
    const flags = constants.O_RDONLY | (file === path ? noFollow : 0);
    const { fd, size } = openOwnFile(operation, path, flags, file);
    try {
      checkMappable(operation, size, path);
      this.#mapping = new addon.Mapping(fd, 0, size, Access.read, 0, path);
    } catch (cause) {
      throw systemError(cause, operation, path);
    } finally {
      closeQuietly(fd);
    }
    // The length of a region is always a multiple of 4.
    const buffer = size < 4 ? new SharedArrayBuffer(0) : sharedBuffer(this.#mapping);
    this.words = new Int32Array(buffer, 0, Math.floor(size / 4));
  }

  /** Whether anybody holds the byte lock. */
  isLocked(offset: number): boolean {
    try {
      return this.#mapping.byteIsLocked(offset);
    } catch (cause) {
      throw systemError(cause, 'region.isLocked', this.path);
    }
  }

  close(): void {
    this.#mapping.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
