import {
  Flag,
  magic,
  maxShapes,
  shapeNumbers,
  Tag,
} from '../../src/transport/codec/plain/format.js';
import { oneOf, type Pick } from './support.js';

/** A field of a message, so that a lie can be told in it. */
interface DraftField {
  readonly at: number;
  readonly size: 1 | 2 | 4 | 8;
}

/** What is being written; one draft at a time. */
const room = Buffer.alloc(256 * 1024);

/** Deeper than an encoder goes, now and then. */
const deepest = 70;

const words = ['', 'a', 'toString', '__proto__', 'constructor', 'length', 'then', 'x'.repeat(200)];

/**
 * A message of plain data, written by the description in format.ts and by nothing of the encoder's,
 * which also says where each of its fields lies.
 */
export class PlainDraft {
  /** With no lie. */
  readonly honest: Buffer;
  readonly #pick: Pick;
  readonly #fields: DraftField[] = [];
  #length = 0;
  #shapes: { number: number; keys: string[] }[] = [];
  #made = 0;
  #hasReferences = false;

  /** @param mayBeTooDeep it has more levels than are allowed, now and then */
  constructor(pick: Pick, mayBeTooDeep = true) {
    this.#pick = pick;
    this.#put(magic, 1);
    this.#put(0, 1);
    const count = pick(4);
    for (let i = 0; i < count; i++) this.#shapes.push(this.#shape(i));
    const isDeep = mayBeTooDeep && pick(50) === 0;
    this.#value(isDeep ? deepest : 4, isDeep);
    let flags = this.#hasReferences ? Flag.references : 0;
    if (this.#shapes.length > 0) {
      flags |= Flag.definitions;
      this.#definitions();
    }
    room[1] = flags;
    this.honest = Buffer.from(room.subarray(0, this.#length));
  }

  /** With one: another value in a field, or something cut off, left out, added or said twice. */
  lie(): Buffer {
    const bytes = Buffer.from(this.honest);
    const pick = this.#pick;
    const { at, size } = oneOf(this.#fields, pick);
    switch (pick(8)) {
      case 0:
        return bytes.subarray(0, at + pick(size + 1));
      case 1:
        return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + size)]);
      case 2:
        return Buffer.concat([bytes.subarray(0, at + size), bytes.subarray(at)]);
      case 3:
        return Buffer.concat([bytes, Buffer.from([pick(256)])]);
      default:
        writeOdd(bytes, at, size, pick);
        return bytes;
    }
  }

  #put(value: number, size: DraftField['size']): void {
    const at = this.#length;
    this.#fields.push({ at, size });
    if (size === 8) room.writeDoubleLE(value, at);
    else room.writeUIntLE(value, at, size);
    this.#length += size;
  }

  #text(text: string, encoding: 'latin1' | 'utf16le'): void {
    this.#length += room.write(text, this.#length, encoding);
  }

  #shape(index: number): { number: number; keys: string[] } {
    const pick = this.#pick;
    const isLoose = pick(4) === 0;
    const loose = this.#shapes.filter(({ number }) => number >= maxShapes).length;
    const count = isLoose && pick(8) === 0 ? 100 : pick(6);
    const keys = Array.from({ length: count }, (_, i) =>
      pick(3) === 0 ? `${oneOf(words, pick)}${pick(2) === 0 ? i : ''}` : `key ${i} of ${index}`,
    );
    return { number: isLoose ? maxShapes + loose : pick(maxShapes), keys };
  }

  #definitions(): void {
    const offset = this.#length;
    this.#put(this.#shapes.length, 4);
    for (const { number, keys } of this.#shapes) {
      this.#put(number % shapeNumbers, 2);
      this.#put(keys.length, 4);
      for (const key of keys) this.#string(key);
    }
    this.#put(offset, 4);
  }

  #string(text: string): void {
    const { length } = text;
    if (length <= Tag.maxShortString && this.#pick(8) > 0) {
      this.#put(Tag.shortString | length, 1);
      this.#text(text, 'latin1');
      return;
    }
    const isWide = this.#pick(2) === 0;
    this.#put(isWide ? Tag.wideString : Tag.string, 1);
    this.#put(length, 4);
    this.#text(text, isWide ? 'utf16le' : 'latin1');
  }

  #value(depth: number, isDeep: boolean): void {
    const pick = this.#pick;
    const kind = isDeep && depth > 1 ? 10 + pick(2) : pick(depth > 0 ? 16 : 10);
    switch (kind) {
      case 0:
        return this.#put(pick(128), 1);
      case 1:
        return this.#put(oneOf([Tag.null, Tag.undefined, Tag.false, Tag.true], pick), 1);
      case 2:
        this.#put(Tag.integer, 1);
        return this.#put(pick(2 ** 32), 4);
      case 3:
        this.#put(oneOf([Tag.float, Tag.bigint], pick), 1);
        return this.#put(pick(2 ** 32) / 3, 8);
      case 4:
        this.#made++;
        this.#put(Tag.date, 1);
        return this.#put(oneOf([0, NaN, 1e300, -1], pick), 8);
      case 5:
      case 6:
        return this.#string(oneOf(words, pick).repeat(pick(3)));
      case 7: {
        const length = pick(40);
        this.#made++;
        this.#put(oneOf([Tag.buffer, Tag.bytes], pick), 1);
        this.#put(length, 4);
        for (let i = 0; i < length; i++) room[this.#length++] = pick(256);
        return;
      }
      case 8:
      case 9:
        if (this.#made === 0) return this.#put(Tag.null, 1);
        this.#hasReferences = true;
        this.#put(Tag.reference, 1);
        return this.#put(pick(this.#made), 4);
      case 10:
      case 12: {
        const count = isDeep ? 1 : pick(6);
        this.#made++;
        if (pick(2) === 0) {
          this.#put(Tag.shortArray | count, 1);
        } else {
          this.#put(Tag.array, 1);
          this.#put(count, 4);
        }
        for (let i = 0; i < count; i++) this.#value(depth - 1, isDeep);
        return;
      }
      default: {
        // The last one that took a number is the one that holds.
        const shape = this.#shapes.at(pick(this.#shapes.length || 1));
        const number = shape?.number ?? 0;
        const holds = this.#shapes.filter(other => other.number === number).at(-1);
        if (!holds) return this.#put(Tag.null, 1);
        this.#made++;
        this.#put(Tag.object, 1);
        this.#put(number, 2);
        for (let i = 0; i < holds.keys.length; i++) this.#value(isDeep ? depth - 1 : 0, false);
      }
    }
  }
}

/** A number that is a little wrong, or as wrong as can be. */
export function writeOdd(bytes: Buffer, at: number, size: number, pick: Pick): void {
  if (size === 8) {
    for (let i = 0; i < 8; i++) bytes[at + i] = pick(256);
    return;
  }
  const most = 2 ** (8 * size);
  const right = bytes.readUIntLE(at, size);
  const rest = bytes.length - at - size;
  const odd = [
    ...[0, 1, right + 1, right - 1, right * 2, rest, rest + 1, rest - 1, rest >> 1],
    ...[most - 1, most / 2, most / 2 - 1, pick(most), pick(256), right ^ (1 << pick(8 * size))],
  ];
  bytes.writeUIntLE(((oneOf(odd, pick) % most) + most) % most, at, size);
}
