/*
 * Which bytes of a partition are in use.
 *
 * Segregated fit, after TLSF (M. Masmano, I. Ripoll, A. Crespo and J. Real, 2004): free blocks lie
 * in lists by size, 32 for each power of two, with a bit for every list that is not empty. So
 * allocating and freeing look at a bounded number of places, however many blocks there are. A block
 * that is freed joins its free neighbours.
 *
 * All of this is private memory of the allocating thread. None of it lies among the payloads, where
 * a task could overwrite it.
 */

/** Every block begins at a multiple of this many bytes: a cache line, and any view's alignment. */
export const unitBytes = 64;

/** Lists for each power of two. Their bits are one word; shifts take their count modulo 32. */
const listsOfRow = 32;
const rows = 27;
/** Blocks of a list that a request looks at, at most. */
const looks = 8;

const inUse = -1;

/** A piece of the partition, in use until it is freed; others read its offset and length. */
export class Block {
  /** In units, as is the size. */
  start = 0;
  size = 0;
  /** Bytes that were asked for. */
  requested = 0;
  /** The neighbours in memory; first and last have the edge between them, which is in use. */
  before: Block = this;
  after: Block = this;
  /** In the list of its size, or `inUse`. */
  index = inUse;

  /** Where it begins in the arena's file, in bytes. */
  get offset(): number {
    return this.start * unitBytes;
  }

  /** Bytes, at least those that were asked for. */
  get length(): number {
    return this.size * unitBytes;
  }
}

export class Allocator {
  readonly #units: number;
  /** Objects that stand for no piece of memory at the moment. */
  readonly #spare: Block[] = [];
  readonly #lists: Block[][] = Array.from({ length: rows * listsOfRow }, () => []);
  readonly #bits = new Int32Array(rows);
  /** See `ArenaStats`; used are the bytes of blocks that are in use. */
  readonly #used = { blocks: 0, requested: 0, used: 0, highWater: 0 };
  /** The largest request so far, in units. */
  #largest = 1;

  /** @param offset where the first block begins; a multiple of {@link unitBytes}, as is `bytes` */
  constructor(bytes: number, offset = 0) {
    this.#units = bytes / unitBytes;
    this.#addFree(offset / unitBytes, this.#units, new Block());
  }

  /**
   * Takes a block of at least `bytes`, which may be 0.
   *
   * @returns good until it is freed; undefined where no free block is large enough
   */
  allocate(bytes: number): Block | undefined {
    const units = unitsFor(bytes);
    if (units > this.#units) return undefined;
    this.#largest = Math.max(this.#largest, units);
    const block = this.#find(units);
    if (!block) return undefined;
    this.#remove(block);
    this.#use(block, units, bytes);
    return block;
  }

  /** Gives a block back. */
  free(block: Block): void {
    if (block.index !== inUse) throw new Error(`the block at ${block.offset} is not in use`);
    this.#count(block, -1);
    this.#release(block);
  }

  /** Keeps the first `bytes` of a block, at least 1, and frees the rest. */
  shrink(block: Block, bytes: number): void {
    const units = unitsFor(bytes);
    if (units >= block.size) return;
    this.#count(block, -1);
    this.#use(block, units, bytes);
  }

  stats() {
    const { used, requested } = this.#used;
    const tooSmall = this.#lists.slice(0, listFor(this.#largest)).flat();
    const units = tooSmall.reduce((sum, { size }) => sum + size, 0);
    return { ...this.#used, wasted: used - requested + units * unitBytes };
  }

  /** A block comes into use (1) or goes out of it (-1). */
  #count({ length, requested }: Block, sign: 1 | -1): void {
    const total = this.#used;
    total.blocks += sign;
    total.requested += sign * requested;
    total.used += sign * length;
    total.highWater = Math.max(total.highWater, total.used);
  }

  /** A free block of at least that many units. */
  #find(units: number): Block | undefined {
    // The first list of which every block is large enough.
    const list = listFor(units - 1) + 1;
    let row = rowOf(list);
    let bits = this.#bits[row]! & (-1 << list);
    while (bits === 0 && ++row < rows) bits = this.#bits[row]!;
    // The list below may still hold one that is large enough.
    if (bits === 0) return this.#lowest(listFor(units), units);
    return this.#lowest(row * listsOfRow + 31 - Math.clz32(bits & -bits), units);
  }

  /**
   * Of the last few in a list that are large enough, the one that lies lowest: so blocks gather at
   * the beginning, and what is free stays in larger pieces.
   */
  #lowest(list: number, units: number): Block | undefined {
    const blocks = this.#lists[list]!;
    let lowest: Block | undefined;
    for (let i = Math.max(0, blocks.length - looks); i < blocks.length; i++) {
      const block = blocks[i]!;
      if (block.size >= units && (!lowest || block.start < lowest.start)) lowest = block;
    }
    return lowest;
  }

  /** Takes a free block out of its list. */
  #remove({ size, index }: Block): void {
    const list = listFor(size);
    const blocks = this.#lists[list]!;
    const last = blocks.pop()!;
    last.index = index;
    if (index < blocks.length) blocks[index] = last;
    if (blocks.length === 0) this.#bits[rowOf(list)]! &= ~(1 << list);
  }

  /** Brings that many units of a block into use, for a request; the rest becomes free. */
  #use(block: Block, units: number, bytes: number): void {
    const rest = block.size - units;
    block.index = inUse;
    block.size = units;
    block.requested = bytes;
    this.#count(block, 1);
    if (rest > 0) this.#addFree(block.start + units, rest, block);
  }

  #addFree(start: number, size: number, before: Block): void {
    const block = this.#spare.pop() ?? new Block();
    block.start = start;
    block.size = size;
    link(block, before.after);
    link(before, block);
    this.#release(block);
  }

  /** Makes a block free, and one with its free neighbours. */
  #release(block: Block): void {
    const { before, after } = block;
    if (before.index !== inUse) {
      block.start = before.start;
      this.#absorb(before, block);
    }
    if (after.index !== inUse) this.#absorb(after, block);
    const list = listFor(block.size);
    block.index = this.#lists[list]!.push(block) - 1;
    this.#bits[rowOf(list)]! |= 1 << list;
  }

  #absorb(neighbour: Block, block: Block): void {
    this.#remove(neighbour);
    link(neighbour.before, neighbour.after);
    block.size += neighbour.size;
    this.#spare.push(neighbour);
  }
}

function link(before: Block, after: Block): void {
  before.after = after;
  after.before = before;
}

const unitsFor = (bytes: number) => Math.max(1, Math.ceil(bytes / unitBytes));

/** The list for free blocks of that many units. */
function listFor(units: number): number {
  const shift = Math.max(0, 26 - Math.clz32(units));
  return shift * listsOfRow + (units >>> shift);
}

const rowOf = (list: number) => list >> 5;
