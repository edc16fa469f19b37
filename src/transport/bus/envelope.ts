import { ShmError } from '../../errors.js';
import { cleanText } from '../link/handshake-messages.js';
import { rangeCodec } from '../codec/codec.js';
import type { CodecOption, RangeCodec } from '../codec/types.js';

/*
 * What a bus puts around each value, in front of it:
 *
 *   0      4    8
 *   | kind | id | the value, by the bus's codec; for a failure, JSON |
 *
 * `id` tells which request it is, or which one it answers.
 *
 * The last three go over a presence, and carry no value; see message-hold.ts. `id` counts the
 * changes of mind of the side that says `hold` or `release`.
 */

export const EnvelopeKind = {
  message: 0,
  request: 1,
  reply: 2,
  failure: 3,
  /** Send me no messages. */
  hold: 4,
  release: 5,
  /** What I send from now on is no message, until you release me. */
  holding: 6,
} as const;

export interface Envelope {
  kind: (typeof EnvelopeKind)[keyof typeof EnvelopeKind];
  id: number;
  /** For a failure: a {@link Failure}. */
  value: unknown;
  /** Of one that was received: bytes it took. */
  bytes?: number;
}

/** An error of the one who was asked, as it travels. */
export interface Failure {
  name: string;
  message: string;
  code?: string | number;
}

export const prefixBytes = 8;
const { failure, holding } = EnvelopeKind;
const noValue = Buffer.alloc(0);

/** @param limit bytes of a value; see {@link rangeCodec} */
export function envelopeCodec<T>(
  option: CodecOption<T> | undefined,
  limit?: number,
): RangeCodec<Envelope> {
  const inner = rangeCodec(option, limit) as RangeCodec<unknown>;
  /** Whether it was the inner codec that encoded last. */
  let isInner = false;
  /** Counts the targets that were given, and taken back: an older one is no longer to be written to. */
  let targets = 0;

  function encodeValue({ kind, value }: Envelope): Uint8Array {
    isInner = kind < failure;
    if (isInner) return inner.encode(value);
    return kind === failure ? Buffer.from(JSON.stringify(value)) : noValue;
  }

  return {
    inPlace: inner.inPlace + prefixBytes,

    encodeInto(envelope, target, start, end) {
      const from = start + prefixBytes;
      isInner = envelope.kind < failure;
      const own = ++targets;
      const encoded = isInner
        ? inner.encodeInto(envelope.value, target, from, end)
        : encodeValue(envelope);
      let length = encoded as number;
      if (typeof encoded !== 'number') {
        length = encoded.length;
        if (length > end - from || own !== targets) return withPrefix(envelope, encoded);
        target.set(encoded, from);
      }
      writePrefix(target, start, envelope);
      return length + prefixBytes;
    },

    encode: envelope => withPrefix(envelope, encodeValue(envelope)),

    isFresh: () => true,

    vacate(target) {
      targets++;
      inner.vacate?.(target);
    },

    sent: () => isInner && inner.sent?.(),

    unsent: () => inner.unsent?.(),

    decode(bytes, start, end) {
      const from = start + prefixBytes;
      if (from > end) throw corrupt(`expected ${prefixBytes} bytes at least, got ${end - start}`);
      const kind = bytes.readUInt32LE(start);
      if (kind > holding) throw corrupt(`expected a kind of at most ${holding}, got ${kind}`);
      let value: unknown;
      if (kind < failure) value = inner.decode(bytes, from, end);
      else if (kind === failure) value = parseFailure(bytes.toString('utf8', from, end));
      else if (from !== end) throw corrupt(`expected no value, got ${end - from} bytes`);
      const id = bytes.readUInt32LE(start + 4);
      return { kind: kind as Envelope['kind'], id, value, bytes: end - start };
    },
  };
}

function writePrefix(target: Buffer, at: number, { kind, id }: Envelope): void {
  target.writeUInt32LE(kind, at);
  target.writeUInt32LE(id, at + 4);
}

function withPrefix(envelope: Envelope, bytes: Uint8Array): Buffer {
  const whole = Buffer.allocUnsafe(prefixBytes + bytes.length);
  writePrefix(whole, 0, envelope);
  whole.set(bytes, prefixBytes);
  return whole;
}

function corrupt(detail: string, cause?: unknown): ShmError {
  return new ShmError('ERR_CORRUPT', detail, 'bus.receive', undefined, cause);
}

/** A peer's word for why it failed, checked. */
function parseFailure(json: string): Failure {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (cause) {
    throw corrupt('expected a failure as JSON', cause);
  }
  const { name, message, code } = (parsed ?? {}) as Partial<Record<keyof Failure, unknown>>;
  if (typeof name === 'string' && typeof message === 'string') {
    if (code === undefined) return { name, message };
    if (isCode(code)) return { name, message, code };
  }
  throw corrupt("expected a failure's name, message and code");
}

function isCode(code: unknown): code is string | number {
  return typeof code === 'string' || typeof code === 'number';
}

/** How an error of a handler travels; what it threw may be anything. */
export function failureOf(error: unknown): Failure {
  try {
    // Not by its class: an error of another realm (vm, Jest) has another one.
    const { name, message, code } = Object(error) as Partial<Record<keyof Failure, unknown>>;
    if (typeof message !== 'string') return { name: 'Error', message: String(error) };
    const isText = typeof name === 'string';
    return { name: isText ? name : 'Error', message, ...(isCode(code) && { code }) };
  } catch {
    return { name: 'Error', message: 'what was thrown has no message' };
  }
}

/** As much of it as goes through any bus. */
export function shortened({ name, message, code }: Failure): Failure {
  const cut = (text: string) => text.slice(0, 100);
  const short = typeof code === 'string' ? cut(code) : code;
  return { name: cut(name), message: cut(message), ...(short !== undefined && { code: short }) };
}

/** The error that a handler threw elsewhere: an Error with its name, message and code. */
export function errorOf({ name, message, code }: Failure): Error {
  const error = new Error(message);
  Object.defineProperty(error, 'name', { value: cleanText(name, 100), configurable: true });
  return code === undefined ? error : Object.assign(error, { code });
}
