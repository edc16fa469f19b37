/*
 * Values of a structured channel by a peer that knows both formats, that of plain data and V8's, and
 * lies in one place. Each case is made from its number.
 */
import { inspect, isDeepStrictEqual } from 'node:util';
import { ShmError } from '../../src/index.js';
import { serialize } from '../../src/transport/codec/clone.js';
import { structured } from '../../src/transport/codec/structured.js';
import type { RangeCodec } from '../../src/transport/codec/types.js';
import { random } from '../support/traffic.js';
import { PlainDraft, writeOdd } from './plain-draft.js';
import { type FuzzResult, oneOf, type Pick, runCases } from './support.js';

const shared = { a: 1 };

/** What only V8's format carries, and what both do. */
const leaves: readonly ((pick: Pick) => unknown)[] = [
  pick => pick(2 ** 32) - 2 ** 31,
  pick => pick(1e9) / 7,
  () => undefined,
  () => null,
  () => true,
  () => 'x'.repeat(300),
  () => 'é\u{1f600}',
  pick => BigInt(pick(2 ** 32)) ** BigInt(pick(9)),
  pick => new Date(pick(2 ** 32)),
  () => /a+(b|c)/giu,
  // Its own stack names lines of this file, and a case must not change with them.
  () => Object.assign(new Error('message', { cause: { code: 1 } }), { stack: 'Error: message' }),
  pick => Buffer.alloc(pick(60), 7),
  pick => new Uint16Array(pick(20)),
  pick => new Float64Array(pick(9)),
  pick => new DataView(new ArrayBuffer(8 + pick(9)), pick(8)),
  pick => new ArrayBuffer(pick(50)),
  () => Object('boxed') as unknown,
  () => Object(12n) as unknown,
  () => shared,
  // eslint-disable-next-line no-sparse-arrays
  () => [1, , 3],
];

function valueOf(pick: Pick, depth: number): unknown {
  if (depth === 0) return oneOf(leaves, pick)(pick);
  const parts = Array.from({ length: pick(4) }, () => valueOf(pick, pick(depth)));
  switch (pick(5)) {
    case 0:
      return parts;
    case 1:
      return new Map(parts.map((part, i) => [i % 2 ? part : i, part]));
    case 2:
      return new Set(parts);
    case 3: {
      const cyclic: Record<string, unknown> = { parts };
      cyclic.self = cyclic;
      return cyclic;
    }
    default:
      return Object.fromEntries(parts.map((part, i) => [`k${i}`, part]));
  }
}

/** Bytes that begin something in V8's format, and lengths as it writes them. */
const marks = Buffer.from('"\'ac{}[]oOAa@$:;RrDIUNZdzSnxtTFB~VJv\\_^-0?uwpl\x00\xff\x0f', 'latin1');
const lengths = ['ffffffff0f', 'ffffffff07', '8080808010', '80', 'ffffffffffffffffff01', '808001'];

/** A message in V8's format with a lie: V8's numbers are of varying length, so in any byte. */
function lieForV8(bytes: Buffer, pick: Pick): Buffer {
  // The header now and then; a version of long ago is read in another way.
  const at = pick(8) === 0 ? pick(3) : pick(bytes.length);
  const before = bytes.subarray(0, at);
  const after = bytes.subarray(at + 1);
  switch (pick(8)) {
    case 0:
      return before;
    case 1:
      return Buffer.concat([before, after]);
    case 2:
      return Buffer.concat([before, Buffer.from(oneOf(lengths, pick), 'hex'), after]);
    case 3:
      return Buffer.concat([bytes.subarray(0, at + 1), bytes.subarray(at)]);
    case 4:
      return Buffer.concat([before, Buffer.from([marks[pick(marks.length)]!]), after]);
    case 5: {
      const copy = Buffer.from(bytes);
      copy[at] = pick(256);
      return copy;
    }
    case 6: {
      const copy = Buffer.from(bytes);
      copy[at]! ^= 1 << pick(8);
      return copy;
    }
    default: {
      const copy = Buffer.from(bytes);
      if (at + 4 <= copy.length) writeOdd(copy, at, 4, pick);
      return copy;
    }
  }
}

/** @returns the bytes of a value with a lie in them, and which of the two formats they have */
export function lyingValue(pick: Pick): { bytes: Buffer; format: 'plain' | 'v8' } {
  if (pick(3) > 0) return { bytes: new PlainDraft(pick).lie(), format: 'plain' };
  return { bytes: lieForV8(serialize(valueOf(pick, pick(4))), pick), format: 'v8' };
}

/**
 * Decodes the bytes twice, once with nothing behind them and once with other bytes around them: what
 * is outside must make no difference.
 *
 * @returns how it ended
 */
export function decodeTwice<T>(
  codecOf: () => RangeCodec<T>,
  bytes: Uint8Array,
  check: (value: T) => void = () => {},
): string {
  const decode = (filler: number, after: number): { value?: T; error?: string } => {
    const around = Buffer.alloc(8 + bytes.length + after, filler);
    around.set(bytes, 8);
    try {
      return { value: codecOf().decode(around, 8, 8 + bytes.length) };
    } catch (error) {
      if (!(error instanceof ShmError) || error.code !== 'ERR_CORRUPT') throw error;
      return { error: error.message };
    }
  };
  const [one, other] = [decode(0, 0), decode(0xdd, 72)];
  if (one.error !== other.error || (one.error === undefined && !isSame(one.value, other.value))) {
    throw new Error(`what lies beside the message was read: ${inspect(one)}, ${inspect(other)}`);
  }
  if (one.error !== undefined) return 'ERR_CORRUPT';
  check(one.value!);
  return 'a value';
}

/** Not by isDeepStrictEqual, for which an invalid Date is never the same. */
function isSame(one: unknown, other: unknown): boolean {
  if (serialize(one).equals(serialize(other))) return true;
  // V8 may hold, and write, a number of one in another way than that of the other.
  const all = { depth: Infinity, maxArrayLength: Infinity, maxStringLength: Infinity };
  return inspect(one, all) === inspect(other, all);
}

/**
 * Bytes that a value takes, roughly; each object once.
 *
 * @throws where it takes much more than the message had
 */
export function checkSize(value: unknown, length: number): void {
  let left = 64 + 4 * length;
  const seen = new Set<unknown>();
  const waiting = [value];
  while (waiting.length > 0) {
    const next = waiting.pop();
    left--;
    if (typeof next === 'string') left -= next.length;
    if (typeof next === 'object' && next !== null && !seen.has(next)) {
      seen.add(next);
      if (ArrayBuffer.isView(next)) left -= next.byteLength;
      else if (next instanceof ArrayBuffer) left -= next.byteLength;
      else if (next instanceof Map) waiting.push(...next.keys(), ...next.values());
      else if (next instanceof Set) waiting.push(...next);
      else
        for (const key of Object.keys(next)) waiting.push((next as Record<string, unknown>)[key]);
    }
    if (left < 0) throw new Error(`much more came than ${length} bytes can say`);
  }
}

/** An end of a channel to which an honest message has told some shapes. */
function told(first: Buffer): RangeCodec<unknown> {
  const codec = structured();
  codec.decode(first, 0, first.length);
  return codec;
}

/** @throws where anything but `ERR_CORRUPT` is thrown, or something else than the message is read */
export function fuzzValues(from: number, to: number): FuzzResult {
  const [encoder, decoder] = [structured(), structured()];
  return runCases(from, to, number => {
    const pick = random(number + 1);
    const first = new PlainDraft(pick, false).honest;
    const { bytes, format } = lyingValue(pick);
    const outcome = decodeTwice(
      () => told(first),
      bytes,
      value => checkSize(value, bytes.length),
    );
    // Two honest ends beside it.
    const sent = { number, list: [number, `${number}`] };
    const encoded = Buffer.from(encoder.encode(sent));
    encoder.sent?.();
    if (!isDeepStrictEqual(decoder.decode(encoded, 0, encoded.length), sent)) {
      throw new Error('an honest value came as another');
    }
    return `${format}, ${outcome}`;
  });
}
