import { types } from 'node:util';
import { Flag, headerBytes, magic, maxDepth, maxShapes, shapeNumbers, Tag } from './format.js';
import { type Shape, type ShapeNode, ShapeTable } from './shape-table.js';

/** Instead of a length: the value is not plain data, or goes too deep. */
export const notPlain = -1;
/** Instead of a length: there was not enough room. */
export const noRoom = -2;

/** A native call costs as much as writing so many characters one by one. */
const nativeLength = 40;

/** Objects up to here are compared one by one with those seen before: a map costs more to make. */
const maxCompared = 32;

const nothing = {};

/** Whether every object has inherited properties, which enumeration shows too. */
function isPolluted(): boolean {
  for (const key in nothing) return key !== undefined;
  return false;
}

/** Tag and the longest number. */
const leastBytes = 9;

// V8 keeps strings of one byte per character as such, and sees that this cannot match there.
const beyondByte = /[^\u0000-\u00ff]/; // eslint-disable-line no-control-regex

/**
 * Writes plain data, as ./format.ts has it. Plain are: strings, numbers, booleans, null,
 * undefined, BigInts of 64 bits, valid Dates, Buffers, Uint8Arrays, and arrays and objects of
 * plain data. What stands at several places, or within itself, is written once.
 *
 * One walk over the value both finds out whether it is plain and writes it.
 */
export class PlainEncoder {
  readonly #shapes = new ShapeTable();
  #bytes: Buffer = Buffer.alloc(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  #end = 0;
  /** Shapes that this message defines. */
  readonly #defined: Shape[] = [];
  /** Keys of objects whose shape is not remembered. */
  readonly #loose: string[][] = [];
  #message = 0;
  readonly #seen: (object | undefined)[] = [];
  #seenCount = 0;
  #seenMany: Map<object, number> | undefined;
  /** An object of this message stands at several places of it. */
  #hasRepeats = false;

  /**
   * Writes a message into `target` from `start` on, before `end`.
   *
   * @returns its length in bytes, or {@link notPlain}, or {@link noRoom}: what was written is
   *   of no use then
   */
  encode(value: unknown, target: Buffer, start: number, end: number): number {
    if (isPolluted()) return notPlain;
    if (this.#bytes !== target) {
      this.#bytes = target;
      this.#view = new DataView(target.buffer, target.byteOffset, target.length);
    }
    this.#end = end;
    this.#message++;
    if (this.#defined.length > 0) this.#defined.length = 0;
    if (this.#loose.length > 0) this.#loose.length = 0;
    this.#forgetSeen(); // an accessor may have thrown
    this.#shapes.tidy();
    let at = this.#value(value, start + headerBytes, maxDepth);
    let flags = this.#hasRepeats ? Flag.references : 0;
    this.#forgetSeen();
    if (at > 0 && (this.#defined.length > 0 || this.#loose.length > 0)) {
      flags |= Flag.definitions;
      at = this.#definitions(start, at);
    }
    target[start] = magic;
    target[start + 1] = flags;
    if (at > 0) return at - start;
    this.#defined.length = 0; // in a message that will not be
    return at;
  }

  /** The message that was made last is on its way: its shapes need not be defined again. */
  sent(): void {
    if (this.#defined.length === 0) return;
    for (const shape of this.#defined) shape.known = true;
    this.#defined.length = 0;
  }

  /** Each of these writes at `at` and says where the next may write, or why it cannot. */
  #value(value: unknown, at: number, depth: number): number {
    if (at + leastBytes > this.#end) return noRoom;
    const bytes = this.#bytes;
    switch (typeof value) {
      case 'string':
        return this.#string(value, at);
      case 'number':
        // Not -0, which equals 0.
        if ((value | 0) === value && (value !== 0 || 1 / value > 0)) {
          if (value >= 0 && value <= Tag.maxSmall) {
            bytes[at] = value;
            return at + 1;
          }
          bytes[at] = Tag.integer;
          this.#view.setInt32(at + 1, value, true);
          return at + 5;
        }
        bytes[at] = Tag.float;
        this.#view.setFloat64(at + 1, value, true);
        return at + 9;
      case 'boolean':
        bytes[at] = value ? Tag.true : Tag.false;
        return at + 1;
      case 'undefined':
        bytes[at] = Tag.undefined;
        return at + 1;
      case 'object':
        if (value === null) {
          bytes[at] = Tag.null;
          return at + 1;
        }
        return depth > 0 ? this.#compound(value, at, depth - 1) : notPlain;
      case 'bigint':
        if (BigInt.asIntN(64, value) !== value) return notPlain;
        bytes[at] = Tag.bigint;
        this.#view.setBigInt64(at + 1, value, true);
        return at + 9;
      default:
        return notPlain;
    }
  }

  #string(value: string, at: number): number {
    const { length } = value;
    if (length >= nativeLength) return this.#longString(value, at);
    if (at + 1 + length > this.#end) return noRoom;
    const bytes = this.#bytes;
    for (let i = 0; i < length; i++) {
      const unit = value.charCodeAt(i);
      if (unit > 0xff) return this.#longString(value, at);
      bytes[at + 1 + i] = unit;
    }
    bytes[at] = Tag.shortString | length;
    return at + 1 + length;
  }

  #longString(value: string, at: number): number {
    const { length } = value;
    const isWide = beyondByte.test(value);
    const size = isWide ? 2 * length : length;
    if (size > this.#end - at - 5) return noRoom;
    at = this.#head(isWide ? Tag.wideString : Tag.string, length, at);
    this.#bytes.write(value, at, isWide ? 'utf16le' : 'latin1');
    return at + size;
  }

  #head(tag: number, count: number, at: number): number {
    this.#bytes[at] = tag;
    this.#view.setUint32(at + 1, count, true);
    return at + 5;
  }

  #compound(value: object, at: number, depth: number): number {
    const seenAs = this.#see(value);
    if (seenAs >= 0) {
      this.#hasRepeats = true;
      return this.#head(Tag.reference, seenAs, at);
    }
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) {
      return this.#object(value as Record<string, unknown>, at, depth);
    }
    if (prototype === Array.prototype && Array.isArray(value)) {
      return this.#array(value, at, depth);
    }
    if (prototype === Buffer.prototype && ArrayBuffer.isView(value)) {
      return this.#binary(Tag.buffer, value as Uint8Array, at);
    }
    if (prototype === Uint8Array.prototype && ArrayBuffer.isView(value)) {
      return this.#binary(Tag.bytes, value as Uint8Array, at);
    }
    if (prototype === Date.prototype && types.isDate(value)) {
      const time = Date.prototype.getTime.call(value);
      if (Number.isNaN(time)) return notPlain;
      this.#bytes[at] = Tag.date;
      this.#view.setFloat64(at + 1, time, true);
      return at + 9;
    }
    return notPlain;
  }

  /** Which of the objects of this message it is, in their order; -1: it is a new one. */
  #see(value: object): number {
    const seen = this.#seen;
    if (this.#seenMany) {
      const index = this.#seenMany.get(value);
      if (index !== undefined) return index;
      this.#seenMany.set(value, this.#seenMany.size);
      return -1;
    }
    const count = this.#seenCount;
    for (let i = 0; i < count; i++) if (seen[i] === value) return i;
    seen[count] = value;
    this.#seenCount++;
    if (count === maxCompared) this.#seenMany = new Map(seen.map((other, i) => [other!, i]));
    return -1;
  }

  /** Cutting the array off would cost a tenth of a small message. */
  #forgetSeen(): void {
    for (let i = 0; i < this.#seenCount; i++) this.#seen[i] = undefined;
    this.#seenCount = 0;
    this.#seenMany = undefined;
    this.#hasRepeats = false;
  }

  #array(value: unknown[], at: number, depth: number): number {
    const { length } = value;
    if (length <= Tag.maxShortArray) this.#bytes[at++] = Tag.shortArray | length;
    else at = this.#head(Tag.array, length, at);
    for (let i = 0; i < length; i++) {
      const element = value[i];
      // A hole is not an undefined.
      if (element === undefined && !(i in value)) return notPlain;
      at = this.#value(element, at, depth);
      if (at < 0) return at;
    }
    return at;
  }

  #binary(tag: number, value: Uint8Array, at: number): number {
    const { length } = value;
    if (length > this.#end - at - 5) return noRoom;
    at = this.#head(tag, length, at);
    this.#bytes.set(value, at);
    return at + length;
  }

  /** The values as they come, and at the end the number of the shape that they had. */
  #object(value: Record<string, unknown>, start: number, depth: number): number {
    const shapes = this.#shapes;
    let node = shapes.root;
    let loose: string[] | undefined;
    let at = start + 3;
    for (const key in value) {
      let next: ShapeNode | undefined;
      if (loose === undefined) {
        next = node.lastKey === key ? node.last : shapes.follow(node, key);
      }
      if (next !== undefined) {
        node = next;
      } else {
        if (key === '__proto__') return notPlain;
        loose ??= node.keys();
        loose.push(key);
      }
      at = this.#value(value[key], at, depth);
      if (at < 0) return at;
    }
    const number = loose ? this.#defineLoose(loose) : this.#use(node);
    if (number >= shapeNumbers) return notPlain;
    const bytes = this.#bytes;
    bytes[start] = Tag.object;
    bytes[start + 1] = number;
    bytes[start + 2] = number >> 8;
    return at;
  }

  #use(node: ShapeNode): number {
    const shape = this.#shapes.shapeAt(node);
    if (shape === undefined) return this.#defineLoose(node.keys());
    if (!shape.known && shape.definedIn !== this.#message) {
      shape.definedIn = this.#message;
      this.#defined.push(shape);
    }
    return shape.number;
  }

  /** Rows of one kind come one after the other: they share a definition. */
  #defineLoose(keys: string[]): number {
    const last = this.#loose.at(-1);
    const isSame = last?.length === keys.length && keys.every((key, i) => key === last[i]);
    if (!isSame) this.#loose.push(keys);
    return maxShapes + this.#loose.length - 1;
  }

  #definitions(start: number, body: number): number {
    if (body + 4 > this.#end) return noRoom;
    this.#view.setUint32(body, this.#defined.length + this.#loose.length, true);
    let at = body + 4;
    for (const { number, keys } of this.#defined) at = this.#definition(number, keys, at);
    for (const [i, keys] of this.#loose.entries()) {
      at = this.#definition(maxShapes + i, keys, at);
    }
    if (at < 0 || at + 4 > this.#end) return noRoom;
    this.#view.setUint32(at, body - start, true);
    return at + 4;
  }

  #definition(number: number, keys: readonly string[], at: number): number {
    if (at < 0 || at + 6 > this.#end) return noRoom;
    this.#view.setUint16(at, number, true);
    this.#view.setUint32(at + 2, keys.length, true);
    at += 6;
    for (const key of keys) {
      if (at + leastBytes > this.#end) return noRoom;
      at = this.#string(key, at);
      if (at < 0) return at;
    }
    return at;
  }
}
