/*
 * Which bytes of a part of the arena are in use.
 *
 * Two-level segregated fit (TLSF; M. Masmano, I. Ripoll, A. Crespo and J. Real, 2004): free
 * blocks lie in lists by size, 32 classes for each power of two, with a bit for every list
 * that is not empty. So allocating and freeing look at a fixed number of places, however
 * many blocks there are. A block that is freed joins its free neighbours.
 *
 * All of this is plain memory of the allocating thread. Nothing of it lies among the
 * payloads, where a task could write over it.
 */

/** Every block begins at a multiple of this many bytes: a cache line, and any view's alignment. */
export const unitBytes = 64;

const secondBits = 5;
const secondLevel = 1 << secondBits;
const firstLevel = 31 - secondBits + 1;
/** Blocks of a list that a request looks at, at most. */
const looks = 8;

const none = -1;
const inUse = -2;

export interface AllocatorStats {
  /** Blocks in use. */
  blocks: number;
  /** Bytes that were asked for, of blocks in use. */
  requested: number;
  /** Bytes that those blocks take. */
  used: number;
  /** The most that were ever in use at once. */
  highWater: number;
  /**
   * Bytes that serve nobody: what blocks in use were rounded up by, and what is free in
   * pieces smaller than the largest block that was ever asked for.
   */
  wasted: number;
}

export class Allocator {
  readonly bytes: number;
  /** In units, by block. */
  #offset = new Int32Array(64);
  #size = new Int32Array(64);
  /** Bytes asked for, by block. */
  #requested = new Float64Array(64);
  /** The neighbours in memory, by block. */
  #before = new Int32Array(64);
  #after = new Int32Array(64);
  /** The neighbours in the list of free blocks, or `inUse`. */
  #previous = new Int32Array(64);
  #next = new Int32Array(64);
  /** Numbers that no block has; the rest are in use. */
  readonly #spare: number[] = [];
  #numbers = 0;

  readonly #heads = new Int32Array(firstLevel * secondLevel).fill(none);
  readonly #secondMap = new Int32Array(firstLevel);
  #firstMap = 0;
  /** Units that are free, by list. */
  readonly #freeUnits = new Float64Array(firstLevel * secondLevel);

  #blocks = 0;
  #requestedBytes = 0;
  #usedUnits = 0;
  #highWater = 0;
  /** The largest request so far, in units. */
  #largest = 1;

  /** @param bytes a multiple of {@link unitBytes} */
  constructor(bytes: number) {
    this.bytes = bytes;
    this.#insert(this.#number(0, bytes / unitBytes, none, none));
  }

  /**
   * Takes a block of at least `bytes`, which may be 0.
   *
   * @returns its number, good until it is freed; -1 where no free piece is large enough
   */
  allocate(bytes: number): number {
    const units = Math.max(1, Math.ceil(bytes / unitBytes));
    if (units > this.bytes / unitBytes) return none;
    if (units > this.#largest) this.#largest = units;
    const block = this.#find(units);
    if (block === none) return none;
    this.#take(block);
    this.#cut(block, units);
    this.#next[block] = inUse;
    this.#requested[block] = bytes;
    this.#blocks++;
    this.#requestedBytes += bytes;
    this.#usedUnits += units;
    if (this.#usedUnits > this.#highWater) this.#highWater = this.#usedUnits;
    return block;
  }

  /** Gives a block back. Its number means nothing afterwards. */
  free(block: number): void {
    if (this.#next[block] !== inUse) throw new Error(`block ${block} is not in use`);
    this.#blocks--;
    this.#requestedBytes -= this.#requested[block]!;
    this.#usedUnits -= this.#size[block]!;
    const after = this.#after[block]!;
    if (after !== none && this.#next[after] !== inUse) {
      this.#take(after);
      this.#join(block, after);
    }
    const before = this.#before[block]!;
    if (before !== none && this.#next[before] !== inUse) {
      this.#take(before);
      this.#join(before, block);
      block = before;
    }
    this.#insert(block);
  }

  /** Keeps the first `bytes` of a block, at least 1, and frees the rest. */
  shrink(block: number, bytes: number): void {
    const units = Math.max(1, Math.ceil(bytes / unitBytes));
    const rest = this.#size[block]! - units;
    if (rest <= 0) return;
    this.#requestedBytes += bytes - this.#requested[block]!;
    this.#requested[block] = bytes;
    this.#usedUnits -= rest;
    this.#cut(block, units);
  }

  /** Where a block begins, in bytes. */
  offset(block: number): number {
    return this.#offset[block]! * unitBytes;
  }

  /** How many bytes it has, at least those that were asked for. */
  size(block: number): number {
    return this.#size[block]! * unitBytes;
  }

  stats(): AllocatorStats {
    const used = this.#usedUnits * unitBytes;
    let tooSmall = 0;
    const enough = this.#list(this.#largest);
    for (let list = 0; list < enough; list++) tooSmall += this.#freeUnits[list]!;
    return {
      blocks: this.#blocks,
      requested: this.#requestedBytes,
      used,
      highWater: this.#highWater * unitBytes,
      wasted: used - this.#requestedBytes + tooSmall * unitBytes,
    };
  }

  /** A free block of at least so many units. */
  #find(units: number): number {
    // Every block of the next class up is large enough, whichever it is.
    const first = 31 - Math.clz32(units);
    const rounded = units < secondLevel ? units : units + (1 << (first - secondBits)) - 1;
    const list = this.#list(rounded);
    let row = list >> secondBits;
    let map = row < firstLevel ? this.#secondMap[row]! & (-1 << (list & (secondLevel - 1))) : 0;
    if (map === 0) {
      const rows = row + 1 < firstLevel ? this.#firstMap & (-1 << (row + 1)) : 0;
      if (rows === 0) return this.#search(units);
      row = lowestBit(rows);
      map = this.#secondMap[row]!;
    }
    return this.#lowest(this.#heads[(row << secondBits) + lowestBit(map)]!);
  }

  /**
   * Of the first few in a list that one which lies lowest: so blocks gather at the
   * beginning, and what is free stays in larger pieces.
   */
  #lowest(head: number): number {
    let lowest = head;
    let block = this.#next[head]!;
    for (let i = 1; i < looks && block !== none; i++) {
      if (this.#offset[block]! < this.#offset[lowest]!) lowest = block;
      block = this.#next[block]!;
    }
    return lowest;
  }

  /** Its own class may hold one that is large enough: the last hope, looked at briefly. */
  #search(units: number): number {
    let block = this.#heads[this.#list(units)]!;
    for (let i = 0; i < looks && block !== none; i++) {
      if (this.#size[block]! >= units) return block;
      block = this.#next[block]!;
    }
    return none;
  }

  /** The list for free blocks of so many units. */
  #list(units: number): number {
    if (units < secondLevel) return units;
    const first = 31 - Math.clz32(units);
    return ((first - secondBits) << secondBits) + (units >>> (first - secondBits));
  }

  #insert(block: number): void {
    const size = this.#size[block]!;
    const list = this.#list(size);
    const head = this.#heads[list]!;
    this.#previous[block] = none;
    this.#next[block] = head;
    if (head !== none) this.#previous[head] = block;
    this.#heads[list] = block;
    this.#freeUnits[list]! += size;
    this.#secondMap[list >> secondBits]! |= 1 << (list & (secondLevel - 1));
    this.#firstMap |= 1 << (list >> secondBits);
  }

  /** Takes a free block out of its list. */
  #take(block: number): void {
    const size = this.#size[block]!;
    const list = this.#list(size);
    const previous = this.#previous[block]!;
    const next = this.#next[block]!;
    this.#freeUnits[list]! -= size;
    if (next !== none) this.#previous[next] = previous;
    if (previous !== none) {
      this.#next[previous] = next;
      return;
    }
    this.#heads[list] = next;
    if (next !== none) return;
    const row = list >> secondBits;
    this.#secondMap[row]! &= ~(1 << (list & (secondLevel - 1)));
    if (this.#secondMap[row] === 0) this.#firstMap &= ~(1 << row);
  }

  /** Leaves a block, which is in no list, so many units; what is over becomes free. */
  #cut(block: number, units: number): void {
    const rest = this.#size[block]! - units;
    if (rest === 0) return;
    this.#size[block] = units;
    const after = this.#after[block]!;
    const offset = this.#offset[block]! + units;
    const piece = this.#number(offset, rest, block, after);
    this.#after[block] = piece;
    if (after !== none) {
      this.#before[after] = piece;
      if (this.#next[after] !== inUse) {
        this.#take(after);
        this.#join(piece, after);
      }
    }
    this.#insert(piece);
  }

  /** Makes one block of two neighbours; the second one's number is given up. */
  #join(block: number, after: number): void {
    this.#size[block]! += this.#size[after]!;
    const next = this.#after[after]!;
    this.#after[block] = next;
    if (next !== none) this.#before[next] = block;
    this.#spare.push(after);
  }

  #number(offset: number, size: number, before: number, after: number): number {
    const block = this.#spare.pop() ?? this.#numbers++;
    if (block === this.#offset.length) this.#grow();
    this.#offset[block] = offset;
    this.#size[block] = size;
    this.#before[block] = before;
    this.#after[block] = after;
    return block;
  }

  #grow(): void {
    const more = (old: Int32Array<ArrayBuffer>) => {
      const grown = new Int32Array(old.length * 2);
      grown.set(old);
      return grown;
    };
    this.#offset = more(this.#offset);
    this.#size = more(this.#size);
    this.#before = more(this.#before);
    this.#after = more(this.#after);
    this.#previous = more(this.#previous);
    this.#next = more(this.#next);
    const requested = new Float64Array(this.#requested.length * 2);
    requested.set(this.#requested);
    this.#requested = requested;
  }
}

function lowestBit(map: number): number {
  return 31 - Math.clz32(map & -map);
}
