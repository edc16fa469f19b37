/*
 * Which bytes of a partition are in use.
 *
 * Two-level segregated fit (TLSF; M. Masmano, I. Ripoll, A. Crespo and J. Real, 2004): free blocks
 * lie in lists by size, 32 classes for each power of two, with a bit for every list that is not
 * empty. So allocating and freeing look at a fixed number of places, however many blocks there are.
 * A block that is freed joins its free neighbours.
 *
 * All of this is private memory of the allocating thread. None of it lies among the payloads, where
 * a task could overwrite it.
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

/*
 * A block is the place of its record, whose fields are: offset and size in units; how many bytes of
 * it were not asked for; the neighbours in memory; those in the list of free blocks, or `inUse`.
 */
const offset = 0;
const size = 1;
const slack = 2;
const before = 3;
const after = 4;
const previous = 5;
const next = 6;
const recordLength = 8;

export interface AllocatorStats {
  /** Blocks in use. */
  blocks: number;
  /** Bytes that were asked for, of blocks in use. */
  requested: number;
  /** Bytes that those blocks take up. */
  used: number;
  /** The most that were ever in use at once. */
  highWater: number;
  /** Bytes that are of no use: see `ArenaStats`. */
  wasted: number;
}

export class Allocator {
  readonly bytes: number;
  #records = new Int32Array(64 * recordLength);
  /** Records that no block has, below `#end`. */
  readonly #spare: number[] = [];
  #end = 0;

  readonly #heads = new Int32Array(firstLevel * secondLevel).fill(none);
  readonly #secondMap = new Int32Array(firstLevel);
  #firstMap = 0;
  /** Units in each list. */
  readonly #freeUnits = new Float64Array(firstLevel * secondLevel);

  #blocks = 0;
  #slackBytes = 0;
  #usedUnits = 0;
  #highWater = 0;
  /** The largest request so far, in units. */
  #largest = 1;

  /** @param bytes a multiple of {@link unitBytes} */
  constructor(bytes: number) {
    this.bytes = bytes;
    this.#insert(this.#add(0, bytes / unitBytes, none, none));
  }

  /**
   * Takes a block of at least `bytes`, which may be 0.
   *
   * @returns good until it is freed; -1 where no free block is large enough
   */
  allocate(bytes: number): number {
    const units = unitsFor(bytes);
    if (units > this.bytes / unitBytes) return none;
    this.#largest = Math.max(this.#largest, units);
    const block = this.#find(units);
    if (block === none) return none;
    this.#remove(block);
    this.#cut(block, units);
    this.#records[block + next] = inUse;
    this.#count(block, 1, bytes);
    this.#highWater = Math.max(this.#highWater, this.#usedUnits);
    return block;
  }

  /** Gives a block back. */
  free(block: number): void {
    if (!this.#isInUse(block)) throw new Error(`block ${block} is not in use`);
    this.#count(block, -1);
    const following = this.#records[block + after]!;
    if (following !== none && !this.#isInUse(following)) this.#join(block, following);
    const preceding = this.#records[block + before]!;
    if (preceding === none || this.#isInUse(preceding)) return this.#insert(block);
    this.#remove(preceding);
    this.#merge(preceding, block);
    this.#insert(preceding);
  }

  /** Keeps the first `bytes` of a block, at least 1, and frees the rest. */
  shrink(block: number, bytes: number): void {
    const units = unitsFor(bytes);
    if (units >= this.#records[block + size]!) return;
    this.#count(block, -1);
    this.#cut(block, units);
    this.#count(block, 1, bytes);
  }

  /** Where a block begins, in bytes. */
  offset(block: number): number {
    return this.#records[block + offset]! * unitBytes;
  }

  /** How many bytes it has, at least those that were asked for. */
  size(block: number): number {
    return this.#records[block + size]! * unitBytes;
  }

  stats(): AllocatorStats {
    const used = this.#usedUnits * unitBytes;
    const enough = listFor(this.#largest);
    const tooSmall = this.#freeUnits.subarray(0, enough).reduce((sum, units) => sum + units, 0);
    return {
      blocks: this.#blocks,
      requested: used - this.#slackBytes,
      used,
      highWater: this.#highWater * unitBytes,
      wasted: this.#slackBytes + tooSmall * unitBytes,
    };
  }

  #isInUse(block: number): boolean {
    return this.#records[block + next] === inUse;
  }

  /** A block comes into use (1) or goes out of it (-1). */
  #count(block: number, sign: 1 | -1, bytes?: number): void {
    const records = this.#records;
    if (bytes !== undefined) records[block + slack] = this.size(block) - bytes;
    this.#blocks += sign;
    this.#slackBytes += sign * records[block + slack]!;
    this.#usedUnits += sign * records[block + size]!;
  }

  /** A free block of at least that many units. */
  #find(units: number): number {
    // Every block of the next class up is large enough, whichever it is.
    const first = 31 - Math.clz32(units);
    const list = listFor(units < secondLevel ? units : units + (1 << (first - secondBits)) - 1);
    let row = list >> secondBits;
    let map = row < firstLevel ? this.#secondMap[row]! & (-1 << (list & (secondLevel - 1))) : 0;
    if (map === 0) {
      const rows = row + 1 < firstLevel ? this.#firstMap & (-1 << (row + 1)) : 0;
      // Its own class may still hold one that is large enough.
      if (rows === 0) return this.#lowest(this.#heads[listFor(units)]!, units);
      row = lowestBit(rows);
      map = this.#secondMap[row]!;
    }
    return this.#lowest(this.#heads[(row << secondBits) + lowestBit(map)]!, units);
  }

  /**
   * Of the first few in a list that are large enough, the one that lies lowest: so blocks gather at
   * the beginning, and what is free stays in larger pieces.
   */
  #lowest(head: number, units: number): number {
    const records = this.#records;
    let lowest = none;
    for (let block = head, i = 0; i < looks && block !== none; i++) {
      const isLower = lowest === none || records[block + offset]! < records[lowest + offset]!;
      if (isLower && records[block + size]! >= units) lowest = block;
      block = records[block + next]!;
    }
    return lowest;
  }

  /** Puts a block into the list of its size. */
  #insert(block: number): void {
    const records = this.#records;
    const units = records[block + size]!;
    const list = listFor(units);
    const head = this.#heads[list]!;
    records[block + previous] = none;
    records[block + next] = head;
    if (head !== none) records[head + previous] = block;
    this.#heads[list] = block;
    this.#freeUnits[list]! += units;
    this.#secondMap[list >> secondBits]! |= 1 << (list & (secondLevel - 1));
    this.#firstMap |= 1 << (list >> secondBits);
  }

  /** Takes a free block out of its list. */
  #remove(block: number): void {
    const records = this.#records;
    const list = listFor(records[block + size]!);
    const earlier = records[block + previous]!;
    const later = records[block + next]!;
    this.#freeUnits[list]! -= records[block + size]!;
    if (later !== none) records[later + previous] = earlier;
    if (earlier !== none) {
      records[earlier + next] = later;
      return;
    }
    this.#heads[list] = later;
    if (later !== none) return;
    const row = list >> secondBits;
    this.#secondMap[row]! &= ~(1 << (list & (secondLevel - 1)));
    if (this.#secondMap[row] === 0) this.#firstMap &= ~(1 << row);
  }

  /** Leaves a block, which is in no list, that many units; the rest becomes free. */
  #cut(block: number, units: number): void {
    const rest = this.#records[block + size]! - units;
    if (rest === 0) return;
    const following = this.#records[block + after]!;
    const piece = this.#add(this.#records[block + offset]! + units, rest, block, following);
    const records = this.#records; // not before: adding may have replaced them
    records[block + size] = units;
    records[block + after] = piece;
    if (following !== none) {
      records[following + before] = piece;
      if (!this.#isInUse(following)) this.#join(piece, following);
    }
    this.#insert(piece);
  }

  /** Makes one block of one that is in no list and the free one behind it. */
  #join(block: number, following: number): void {
    this.#remove(following);
    this.#merge(block, following);
  }

  /** Makes one block of two neighbours that are in no list; the second's record is given up. */
  #merge(block: number, following: number): void {
    const records = this.#records;
    records[block + size]! += records[following + size]!;
    const last = records[following + after]!;
    records[block + after] = last;
    if (last !== none) records[last + before] = block;
    this.#spare.push(following);
  }

  #add(at: number, units: number, preceding: number, following: number): number {
    const block = this.#spare.pop() ?? (this.#end += recordLength) - recordLength;
    let records = this.#records;
    if (block === records.length) {
      records = new Int32Array(block * 2);
      records.set(this.#records);
      this.#records = records;
    }
    records[block + offset] = at;
    records[block + size] = units;
    records[block + before] = preceding;
    records[block + after] = following;
    return block;
  }
}

const unitsFor = (bytes: number) => Math.max(1, Math.ceil(bytes / unitBytes));

/** The list for free blocks of that many units. */
function listFor(units: number): number {
  if (units < secondLevel) return units;
  const first = 31 - Math.clz32(units);
  return ((first - secondBits) << secondBits) + (units >>> (first - secondBits));
}

function lowestBit(map: number): number {
  return 31 - Math.clz32(map & -map);
}
