import { types } from 'node:util';
import { Flag, headerBytes, magic, maxDepth, maxShapes, shapeNumbers, Tag } from './format.js';
import {
  byteLength,
  hasAccessors,
  hasNames,
  mayHaveNames,
  isOrdinary,
  isPolluted,
  nextElement,
  refuseModule,
} from './ordinary.js';
import { readBack } from './read-back.js';
import { leastBytes, MessageRoom, nowhere } from './room.js';
import { SeenObjects } from './seen.js';
import { type ShapeNode, ShapeTable } from './shape-table.js';

// Called for each object: as a constant it costs as much as a look at the prototype.
const { isProxy } = types;

/** Instead of a length: the value is not plain data, or goes too deep. */
export const notPlain = -1;

/** A native call costs as much as writing this many characters one by one. */
const nativeLength = 40;

// V8 knows which strings have one byte per character, and sees that this cannot match there.
const beyondByte = /[^\u0000-\u00ff]/; // eslint-disable-line no-control-regex

/**
 * Writes plain data, as ./format.ts has it. Plain are: strings, numbers, booleans, null,
 * undefined, BigInts of 64 bits, Dates, Buffers, Uint8Arrays, and arrays and objects of
 * plain data. What stands at several places, or within itself, is written once.
 *
 * One walk over the value both finds out whether it is plain and writes it. It reads each
 * property once, and never walks again: an accessor is the user's function, and may give something
 * else the next time. Where the room ends, the walk goes on elsewhere.
 */
export class PlainEncoder extends MessageRoom {
  readonly #shapes = new ShapeTable();
  readonly #seen = new SeenObjects();
  /** Values that are not plain, where accessors have run already; see {@link #foreign}. */
  #others: unknown[] | undefined;
  #rest: unknown;
  readonly #hasNames: (array: unknown[]) => boolean;

  /** @param isExact whether arrays that have properties with names are never taken as plain */
  constructor(limit?: number, isExact = false) {
    super(limit);
    this.#hasNames = isExact ? mayHaveNames : hasNames;
  }

  /**
   * Writes a message into `target` from `start` on, before `end`.
   *
   * @returns its length in bytes; where there was not enough room, the message elsewhere, until
   *   the next call in this thread; or {@link notPlain}, and then {@link takeRest}
   */
  encode(value: unknown, target: Buffer, start: number, end: number): number | Uint8Array {
    if (isPolluted()) return this.#leave(value);
    if (this.bytes !== target) this.goTo(target);
    this.start = start;
    this.end = end;
    this.#seen.forget(); // an accessor may have thrown
    this.#others = undefined;
    this.#shapes.begin();
    let at = this.#value(value, start + headerBytes, maxDepth);
    let flags = this.#seen.hasRepeats ? Flag.references : 0;
    if (at > 0 && this.#shapes.hasDefinitions) {
      flags |= Flag.definitions;
      at = this.#definitions(at);
    }
    if (at < 0) return this.#leave(value);
    const bytes = this.bytes;
    bytes[this.start] = magic;
    bytes[this.start + 1] = flags;
    if (this.#others) return this.#leave(this.#readBack(at));
    this.#seen.forget();
    if (bytes === target) return at - start;
    this.bytes = nowhere; // which may be large
    return bytes.subarray(this.start, at);
  }

  /**
   * What V8's serializer sends instead: the value itself; or, where accessors have run,
   * a copy of its plain parts with what they gave.
   */
  takeRest(): unknown {
    const rest = this.#rest;
    this.#rest = undefined;
    return rest;
  }

  /** The message that was made last is on its way: its shapes need not be defined again. */
  sent(): void {
    this.#shapes.sent();
  }

  /** A message that was on its way will not arrive: nothing counts as defined any more. */
  unsent(): void {
    this.#shapes.unsent();
  }

  #leave(rest: unknown): typeof notPlain {
    this.#rest = rest;
    this.#others = undefined;
    this.#seen.forget();
    this.#shapes.abandon();
    return notPlain;
  }

  /**
   * A value that is not plain. Usually the whole message is left to V8, which reads all of it.
   * Where accessors have run already, that would run them again: then the walk goes on, leaves a
   * note for each value of this kind, and the message is read back with these values in it.
   */
  #foreign(value: unknown, at: number): number {
    refuseModule(value);
    if (!this.#isNoted()) return notPlain;
    if (at + leastBytes > this.end) at = this.grow(at, leastBytes);
    this.#others!.push(value);
    return this.head(Tag.foreign, this.#others!.length - 1, at);
  }

  #isNoted(): boolean {
    if (!this.#others && hasAccessors(this.#seen.all())) this.#others = [];
    return this.#others !== undefined;
  }

  #readBack(end: number): unknown {
    return readBack({
      bytes: this.bytes,
      start: this.start,
      end,
      shapes: this.#shapes.keys,
      others: this.#others!,
      originals: [...this.#seen.all()] as object[],
    });
  }

  /** Each of these writes at `at` and says where the next may write, or that it cannot. */
  #value(value: unknown, at: number, depth: number): number {
    if (at + leastBytes > this.end) at = this.grow(at, leastBytes);
    const bytes = this.bytes;
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
          this.view.setInt32(at + 1, value, true);
          return at + 5;
        }
        bytes[at] = Tag.float;
        this.view.setFloat64(at + 1, value, true);
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
        return this.#compound(value, at, depth - 1);
      case 'bigint':
        if (BigInt.asIntN(64, value) !== value) return this.#foreign(value, at);
        bytes[at] = Tag.bigint;
        this.view.setBigInt64(at + 1, value, true);
        return at + 9;
      default:
        return this.#foreign(value, at);
    }
  }

  #string(value: string, at: number): number {
    const { length } = value;
    if (length >= nativeLength) return this.#longString(value, at);
    if (at + 1 + length > this.end) at = this.grow(at, 1 + length);
    const bytes = this.bytes;
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
    if (size > this.end - at - 5) at = this.grow(at, 5 + size);
    at = this.head(isWide ? Tag.wideString : Tag.string, length, at);
    this.bytes.write(value, at, isWide ? 'utf16le' : 'latin1');
    return at + size;
  }

  #compound(value: object, at: number, depth: number): number {
    const seenAs = this.#seen.see(value);
    if (seenAs >= 0) {
      this.#seen.hasRepeats = true;
      return this.head(Tag.reference, seenAs, at);
    }
    // Before anything else is asked of the value: a Proxy would notice.
    if (depth < 0 || isProxy(value)) return this.#foreign(value, at);
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype) {
      return this.#object(value as Record<string, unknown>, at, depth);
    }
    if (prototype === Array.prototype && Array.isArray(value)) {
      return this.#hasNames(value) ? this.#foreign(value, at) : this.#array(value, at, depth);
    }
    return this.#otherCompound(value, prototype, at, depth);
  }

  #otherCompound(value: object, prototype: unknown, at: number, depth: number): number {
    if (prototype === null && isOrdinary(value)) {
      return this.#object(value as Record<string, unknown>, at, depth);
    }
    if (prototype === Buffer.prototype || prototype === Uint8Array.prototype) {
      // As Node decides which of the two it is.
      const tag = value.constructor === Buffer ? Tag.buffer : Tag.bytes;
      if (types.isUint8Array(value)) return this.#binary(tag, value, at);
    }
    if (prototype === Date.prototype && types.isDate(value)) {
      this.bytes[at] = Tag.date;
      this.view.setFloat64(at + 1, Date.prototype.getTime.call(value), true);
      return at + 9;
    }
    return this.#foreign(value, at);
  }

  #array(value: unknown[], at: number, depth: number): number {
    const { length } = value;
    if (length <= Tag.maxShortArray) this.bytes[at++] = Tag.shortArray | length;
    else at = this.head(Tag.array, length, at);
    for (let i = 0; i < length; i++) {
      const element = value[i];
      // A hole is not an undefined.
      if (element === undefined && !(i in value)) {
        if (!this.#isNoted()) return notPlain;
        if (at + leastBytes > this.end) at = this.grow(at, leastBytes);
        const next = nextElement(value, i);
        at = this.head(Tag.holes, next - i, at);
        i = next - 1;
        continue;
      }
      at = this.#value(element, at, depth);
      if (at < 0) return at;
    }
    return at;
  }

  #binary(tag: number, value: Uint8Array, at: number): number {
    const length = byteLength(value);
    if (length < 0) return this.#foreign(value, at);
    if (length > this.end - at - 5) at = this.grow(at, 5 + length);
    at = this.head(tag, length, at);
    this.bytes.set(value, at);
    return at + length;
  }

  /** The values as they come, and at the end the number of the shape that they had. */
  #object(value: Record<string, unknown>, from: number, depth: number): number {
    const shapes = this.#shapes;
    const { root } = shapes;
    const offset = from - this.start; // the walk may move on to other room
    let node = root;
    let loose: string[] | undefined;
    let at = from + 3;
    for (const key in value) {
      let next: ShapeNode | undefined;
      if (loose === undefined) {
        next = node.lastKey === key ? node.last : node.follow(key);
        if (next === undefined || (node === root && key === '0')) {
          // A first key that is new, or '0', with which `arguments` and others begin.
          if (node === root && !isOrdinary(value)) return this.#foreign(value, from);
          next ??= shapes.add(node, key);
        }
      }
      if (next !== undefined) {
        node = next;
      } else {
        loose ??= node.keys();
        loose.push(key);
      }
      at = this.#value(value[key], at, depth);
      if (at < 0) return at;
    }
    if (node === root && !loose && !isOrdinary(value)) return this.#foreign(value, from);
    const number = loose ? shapes.useLoose(loose) : shapes.use(node);
    if (number >= shapeNumbers) return notPlain;
    const bytes = this.bytes;
    const start = this.start + offset;
    bytes[start] = Tag.object;
    bytes[start + 1] = number;
    bytes[start + 2] = number >> 8;
    return at;
  }

  #definitions(body: number): number {
    const offset = body - this.start;
    const { defined, loose } = this.#shapes;
    let at = this.number(defined.length + loose.length, body);
    for (const { number, keys } of defined) at = this.#definition(number, keys, at);
    for (const [i, keys] of loose.entries()) {
      at = this.#definition(maxShapes + i, keys, at);
    }
    return this.number(offset, at);
  }

  #definition(number: number, keys: readonly string[], at: number): number {
    if (at + 6 > this.end) at = this.grow(at, 6);
    this.view.setUint16(at, number, true);
    this.view.setUint32(at + 2, keys.length, true);
    at += 6;
    for (const key of keys) at = this.#string(key, at);
    return at;
  }
}
