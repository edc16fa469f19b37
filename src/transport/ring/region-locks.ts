import type { Region } from '../../native/region.js';

/** Byte locks in a region's file, by their offsets there. The kernel drops them when the holder dies. */
export class RegionLocks {
  readonly #region: Region;
  // A lock belongs to the open file, which does not see its own locks as taken.
  readonly #held = new Set<number>();

  constructor(region: Region) {
    this.#region = region;
  }

  /** Takes a lock if it is free. */
  tryLock(offset: number): boolean {
    if (this.#held.has(offset) || !this.#region.tryLock(offset)) return false;
    this.#held.add(offset);
    return true;
  }

  unlock(offset: number): void {
    if (this.#held.delete(offset)) this.#region.unlock(offset);
  }

  /** Whether anyone holds it, this object included. */
  isLocked(offset: number): boolean {
    return this.#held.has(offset) || this.#region.isLocked(offset);
  }
}
