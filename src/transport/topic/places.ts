import { fenceReads } from '../ring/atomics.js';
import { anchorIndex, Counter, isRecord, maxPayload, slices } from './layout.js';
import { floatView, recordViews, type TopicMemory } from './memory.js';
import { loadIntent, loadTail, type Place, walkTo } from './positions.js';

/** Tries to read where the writer overtakes again and again. */
const mostTries = 1000;

/** Where a reader can begin, or go on. What is looked at may be overwritten meanwhile. */
export class Places {
  readonly #memory: TopicMemory;
  readonly #words: Int32Array;
  readonly #floats: Float64Array;
  readonly #recordWords: Int32Array;
  readonly #sequences: Float64Array;
  readonly #capacity: number;
  readonly #sliceBytes: number;

  constructor(memory: TopicMemory, capacity: number) {
    this.#memory = memory;
    this.#words = memory.words;
    this.#floats = floatView(memory);
    this.#capacity = capacity;
    this.#sliceBytes = capacity / slices;
    const views = recordViews(memory, capacity);
    this.#recordWords = views.recordWords;
    this.#sequences = views.sequences;
  }

  /** Behind the last record. */
  atTail(): Place {
    for (let tries = mostTries; tries > 0; tries--) {
      const position = loadTail(this.#words);
      const oldest = this.#oldestByte();
      const place = walkTo(this.#memory, this.#capacity, position, oldest, position);
      if (place && loadIntent(this.#words) - position <= this.#capacity / 2) return place;
      // What lies before the tail is damaged; or the publisher has gone a lap meanwhile.
      if (loadTail(this.#words) === position) return { position, sequence: this.#counted() };
    }
    return this.behindTail();
  }

  #counted(): number {
    const records = this.#floats[Counter.records]!;
    return Number.isSafeInteger(records) ? records : 0;
  }

  #oldestByte(): number {
    return Math.max(0, loadIntent(this.#words) - this.#capacity);
  }

  /** The first record that starts where a slice does or behind it, and is still there. */
  oldest(): Place {
    return this.#anchorFrom(() => Math.ceil(this.#oldestByte() / this.#sliceBytes));
  }

  /** The first slice boundary at least a quarter of the capacity behind the tail. */
  behindTail(): Place {
    return this.#anchorFrom(() => {
      const tail = loadTail(this.#words);
      return Math.max(0, Math.floor((tail - this.#capacity / 4) / this.#sliceBytes));
    });
  }

  /** Under SYNC overrun: the anchor counts if it was not overwritten by then. @param pick a slice */
  #anchorFrom(pick: () => number): Place {
    for (let tries = mostTries; tries > 0; tries--) {
      const boundary = pick() * this.#sliceBytes;
      const index = anchorIndex(boundary, this.#sliceBytes);
      const place = { position: this.#floats[index]!, sequence: this.#floats[index + 1]! };
      fenceReads();
      if (loadIntent(this.#words) - boundary > this.#capacity) continue;
      const isNext =
        place.position >= boundary && place.position - boundary <= this.#capacity / 4 + 16;
      if (isNext && place.position <= loadTail(this.#words) && place.sequence >= 0) return place;
      break;
    }
    return { position: loadTail(this.#words), sequence: this.#counted() };
  }

  /**
   * A position that somebody has stored.
   *
   * @returns undefined: it is too old; `false`: no record starts there
   */
  at(position: number, tail: number): Place | undefined | false {
    for (let tries = mostTries; tries > 0; tries--) {
      const oldest = this.#oldestByte();
      if (position < oldest) return undefined;
      const place = walkTo(this.#memory, this.#capacity, position, oldest, tail);
      if (loadIntent(this.#words) - position > this.#capacity) return undefined;
      if (place) return place;
      // The slice that it lies in may have lost its beginning; else it would have been found.
      if (this.#oldestByte() === oldest)
        return position < this.oldest().position ? undefined : false;
    }
    return undefined;
  }

  /** The next record that is intact, behind one that is not. */
  behindDamage({ position, sequence: expected }: Place): Place {
    const tail = loadTail(this.#words);
    const sliceBytes = this.#sliceBytes;
    for (
      let at = (Math.floor(position / sliceBytes) + 1) * sliceBytes;
      at < tail;
      at += sliceBytes
    ) {
      const anchor = anchorIndex(at, sliceBytes);
      const place = { position: this.#floats[anchor]!, sequence: this.#floats[anchor + 1]! };
      const isAhead = place.position > position && place.position < tail;
      if (isAhead && place.sequence >= expected && this.#isAt(place)) return place;
    }
    const sequence = Math.max(expected, this.#counted());
    return { position: tail, sequence };
  }

  #isAt({ position, sequence }: Place): boolean {
    const index = position % this.#capacity;
    if (index % 16 !== 0) return false;
    const [length, kind] = this.#recordWords.subarray(index / 4, index / 4 + 2);
    const isSound = isRecord(length!, kind!, this.#capacity - index);
    return (
      isSound &&
      length! <= maxPayload(this.#capacity) &&
      this.#sequences[index / 8 + 1] === sequence
    );
  }
}
