import { ShmError } from '../../../errors.js';
import { ownBuffer } from '../clone.js';
import {
  Flag,
  headerBytes,
  magic,
  maxDepth,
  maxShapeKeys,
  maxShapes,
  maxShapeUnits,
  Tag,
} from './format.js';

/**
 * This much of a message becomes one string at a time, and the strings in it become slices of that:
 * one native call for several of them. V8 keeps the whole as long as a slice lives, hence the
 * limit.
 */
const windowBytes = 256;

/** What objects of a shape are made from. */
interface DecodedShape {
  readonly keys: readonly string[];
  /**
   * An object with these keys, to be copied: where storing a key into a new object would not make
   * a property of its own. Undefined: it would.
   */
  readonly template: Record<string, unknown> | undefined;
}

/** Properties are made by definition, as V8 does: what all objects inherit has no say in it. */
function templateOf(keys: readonly string[]): Record<string, unknown> {
  const template = {};
  const property = { value: undefined, configurable: true, enumerable: true, writable: true };
  for (const key of keys) Object.defineProperty(template, key, property);
  return template;
}

function shapeOf(keys: readonly string[]): DecodedShape {
  const isInherited = keys.some(key => key in Object.prototype);
  return { keys, template: isInherited ? templateOf(keys) : undefined };
}

/** What an encoder's own notes refer to. */
export interface EncoderNotes {
  /** Keys of all shapes that were defined before. */
  readonly shapes: readonly (readonly string[])[];
  /** Values that are not plain. */
  readonly others: readonly unknown[];
  /** Takes what is made, in its order. */
  readonly made: object[];
}

/**
 * The same string as V8 keeps it for the name of a property: with any other it would have to
 * look this one up at each use.
 */
function internalized(key: string): string {
  return Object.keys({ [key]: 0 })[0]!;
}

/**
 * Reads what `PlainEncoder` wrote. The bytes are the peer's word: each is read once, and every
 * length and number is checked. Values are made anew and share nothing with the bytes; but a Buffer
 * that is most of a message in memory of its own stays there.
 */
export class PlainDecoder {
  readonly #shapes: (DecodedShape | undefined)[] = [];
  readonly #loose: DecodedShape[] = [];
  readonly #notes: EncoderNotes | undefined;
  #bytes: Buffer = Buffer.alloc(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  #start = 0;
  #at = 0;
  #end = 0;
  /** The bytes are memory of this message alone. */
  #isOwn = false;
  /** What can be referred to; undefined: nothing will be. */
  #made: object[] | undefined;
  /** A part of the message as a string, and where it begins. */
  #window = '';
  #windowAt = 0;

  /** @param notes only where the bytes are this thread's own: they are not checked */
  constructor(notes?: EncoderNotes) {
    this.#notes = notes;
    if (notes) this.#shapes = notes.shapes.map(shapeOf);
  }

  /** @throws {ShmError} `ERR_CORRUPT` */
  decode(bytes: Buffer, start: number, end: number): unknown {
    if (this.#bytes !== bytes) {
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    }
    this.#start = start;
    this.#end = end;
    this.#isOwn = start === 0 && end === bytes.buffer.byteLength;
    this.#at = start;
    this.#window = '';
    this.#windowAt = start;
    this.#need(headerBytes);
    if (bytes[start] !== magic) throw this.#corrupt('expected the magic of plain data');
    const flags = bytes[start + 1]!;
    if (flags > (Flag.definitions | Flag.references))
      throw this.#corrupt(`expected flags, got ${flags}`);
    if (flags & Flag.definitions) this.#definitions();
    this.#made = this.#notes?.made ?? (flags & Flag.references ? [] : undefined);
    this.#at = start + headerBytes;
    const value = this.#value(maxDepth);
    if (this.#at !== this.#end)
      throw this.#corrupt(`expected the end, got ${this.#end - this.#at} bytes more`);
    if (this.#loose.length > 0) this.#loose.length = 0;
    this.#made = undefined;
    if (this.#isOwn) this.#bytes = Buffer.alloc(0); // which may be large
    return value;
  }

  #value(depth: number): unknown {
    const at = this.#at;
    if (at >= this.#end) throw this.#corrupt('expected a value, got the end');
    const tag = this.#bytes[at]!;
    this.#at = at + 1;
    if (tag <= Tag.maxSmall) return tag;
    if (tag < Tag.shortArray) return this.#string(tag & Tag.maxShortString);
    if (tag < Tag.null) return this.#array(tag & Tag.maxShortArray, depth);
    switch (tag) {
      case Tag.null:
        return null;
      case Tag.undefined:
        return undefined;
      case Tag.false:
        return false;
      case Tag.true:
        return true;
      case Tag.integer:
        if (at + 5 > this.#end) throw this.#corrupt('expected 4 bytes more');
        this.#at = at + 5;
        return this.#view.getInt32(at + 1, true);
      case Tag.float:
        if (at + 9 > this.#end) throw this.#corrupt('expected 8 bytes more');
        this.#at = at + 9;
        return this.#view.getFloat64(at + 1, true);
      case Tag.object:
        return this.#object(depth);
      default:
        return this.#rare(tag, depth);
    }
  }

  #rare(tag: number, depth: number): unknown {
    switch (tag) {
      case Tag.bigint:
        return this.#view.getBigInt64(this.#take(8), true);
      case Tag.date:
        return this.#keep(new Date(this.#view.getFloat64(this.#take(8), true)));
      case Tag.string:
        return this.#string(this.#count(1));
      case Tag.wideString: {
        const length = 2 * this.#count(2);
        const at = this.#take(length);
        return this.#bytes.toString('utf16le', at, at + length);
      }
      case Tag.array:
        return this.#array(this.#count(1), depth);
      case Tag.buffer: {
        const length = this.#count(1);
        const at = this.#take(length);
        const bytes = this.#bytes.subarray(at, at + length);
        return this.#keep(this.#isMost(length) ? bytes : ownBuffer(bytes));
      }
      case Tag.bytes: {
        const length = this.#count(1);
        const at = this.#take(length);
        const { buffer, byteOffset } = this.#bytes;
        const bytes = new Uint8Array(buffer, byteOffset + at, length);
        return this.#keep(this.#isMost(length) ? bytes : new Uint8Array(bytes));
      }
      case Tag.reference: {
        const index = this.#view.getUint32(this.#take(4), true);
        const made = this.#made?.[index];
        if (made === undefined) throw this.#corrupt(`expected an object before, got ${index}`);
        return made;
      }
      case Tag.foreign: {
        if (this.#notes === undefined) break;
        const value = this.#notes.others[this.#view.getUint32(this.#take(4), true)];
        return typeof value === 'object' ? this.#keep(value!) : value;
      }
    }
    throw this.#corrupt(`expected the tag of a value, got ${tag}`);
  }

  #isMost(length: number): boolean {
    return this.#isOwn && 2 * length > this.#bytes.length;
  }

  #keep<T extends object>(value: T): T {
    this.#made?.push(value);
    return value;
  }

  #string(length: number): string {
    const at = this.#take(length);
    if (length > windowBytes / 2) return this.#bytes.toString('latin1', at, at + length);
    let from = at - this.#windowAt;
    // Definitions, at the end of a message, are read first.
    if (from < 0 || from + length > this.#window.length) {
      this.#window = this.#bytes.toString('latin1', at, Math.min(at + windowBytes, this.#end));
      this.#windowAt = at;
      from = 0;
    }
    return this.#window.substring(from, from + length);
  }

  #array(count: number, depth: number): unknown[] {
    if (depth === 0) throw this.#corrupt(`expected at most ${maxDepth} levels`);
    const array: unknown[] = [];
    this.#made?.push(array);
    for (let i = 0; i < count; i++) {
      if (this.#notes && this.#bytes[this.#at] === Tag.holes) {
        this.#at++;
        array.length = i += this.#view.getUint32(this.#take(4), true);
        i--;
      } else {
        array.push(this.#value(depth - 1));
      }
    }
    return array;
  }

  #object(depth: number): object {
    if (depth === 0) throw this.#corrupt(`expected at most ${maxDepth} levels`);
    const at = this.#take(2);
    const { keys, template } = this.#shape(this.#bytes[at]! | (this.#bytes[at + 1]! << 8));
    const object: Record<string, unknown> = template === undefined ? {} : { ...template };
    this.#made?.push(object);
    for (let i = 0; i < keys.length; i++) object[keys[i]!] = this.#value(depth - 1);
    return object;
  }

  #shape(number: number): DecodedShape {
    const shape = number < maxShapes ? this.#shapes[number] : this.#loose[number - maxShapes];
    if (shape === undefined) throw this.#corrupt(`expected a defined shape, got ${number}`);
    return shape;
  }

  /** The end of the message; what is left then is the value alone. */
  #definitions(): void {
    const whole = this.#end;
    this.#at = this.#end - 4;
    if (this.#at < this.#start + headerBytes) throw this.#corrupt('expected definitions');
    const offset = this.#view.getUint32(this.#at, true);
    if (offset < headerBytes || offset > this.#at - this.#start) {
      throw this.#corrupt(
        `expected definitions within ${whole - this.#start} bytes, got ${offset}`,
      );
    }
    this.#end = whole - 4;
    this.#at = this.#start + offset;
    this.#loose.length = 0;
    for (let left = this.#count(6); left > 0; left--) this.#definition();
    if (this.#at !== this.#end) throw this.#corrupt('expected the end of the definitions');
    this.#end = this.#start + offset;
  }

  #definition(): void {
    const number = this.#view.getUint16(this.#take(2), true);
    const count = this.#count(1);
    const isKept = number < maxShapes;
    if (isKept ? count > maxShapeKeys : number !== maxShapes + this.#loose.length) {
      throw this.#corrupt(`expected a shape, got number ${number} with ${count} keys`);
    }
    const keys: string[] = [];
    let units = 0;
    for (let i = 0; i < count; i++) {
      const key = this.#value(0);
      if (typeof key !== 'string') throw this.#corrupt('expected a key');
      keys.push(isKept ? internalized(key) : key);
      units += key.length;
    }
    if (isKept && units > maxShapeUnits) throw this.#corrupt(`expected a shorter shape`);
    if (isKept) this.#shapes[number] = shapeOf(keys);
    else this.#loose.push(shapeOf(keys));
  }

  /**
   * Reads a count of things of at least `size` bytes each, which must be there; only holes take
   * none.
   */
  #count(size: number): number {
    const count = this.#view.getUint32(this.#take(4), true);
    if (count * size > this.#end - this.#at && !this.#notes) {
      throw this.#corrupt(
        `expected at most ${this.#end - this.#at} bytes, got ${count} times ${size}`,
      );
    }
    return count;
  }

  /** Skips `length` bytes and says where they begin. */
  #take(length: number): number {
    const at = this.#at;
    this.#need(length);
    this.#at = at + length;
    return at;
  }

  #need(length: number): void {
    if (length > this.#end - this.#at) throw this.#corrupt(`expected ${length} bytes more`);
  }

  #corrupt(detail: string): ShmError {
    return new ShmError(
      'ERR_CORRUPT',
      `${detail} at byte ${this.#at - this.#start}`,
      'channel.receive',
    );
  }
}
