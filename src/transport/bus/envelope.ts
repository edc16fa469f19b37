import { cleanText } from '../link/messages.js';
import { type CodecOption, type RangeCodec, rangeCodec } from '../codec.js';

/*
 * What a bus puts around each value, in front of it:
 *
 *   0      4    8
 *   | kind | id | the value, by the bus's codec; for a failure, JSON |
 *
 * `id` tells which request it is, or which one it answers.
 */

export const EnvelopeKind = { message: 0, request: 1, reply: 2, failure: 3 } as const;

export interface Envelope {
  kind: (typeof EnvelopeKind)[keyof typeof EnvelopeKind];
  id: number;
  /** For a failure: a {@link Failure}. */
  value: unknown;
}

/** An error of the one who was asked, as it travels. */
export interface Failure {
  name: string;
  message: string;
  code?: string | number;
}

const prefixBytes = 8;
const { failure } = EnvelopeKind;

export function envelopeCodec<T>(option: CodecOption<T> | undefined): RangeCodec<Envelope> {
  const inner = rangeCodec(option) as RangeCodec<unknown>;
  /** Whether it was the inner codec that encoded last. */
  let isInner = false;

  function encodeValue({ kind, value }: Envelope): Uint8Array {
    isInner = kind !== failure;
    return isInner ? inner.encode(value) : Buffer.from(JSON.stringify(value));
  }

  return {
    inPlace: inner.inPlace + prefixBytes,

    encodeInto(envelope, target, start, end) {
      const from = start + prefixBytes;
      isInner = envelope.kind !== failure;
      const encoded = isInner
        ? inner.encodeInto(envelope.value, target, from, end)
        : encodeValue(envelope);
      let length = encoded as number;
      if (typeof encoded !== 'number') {
        length = encoded.length;
        if (length > end - from) return withPrefix(envelope, encoded);
        target.set(encoded, from);
      }
      writePrefix(target, start, envelope);
      return length + prefixBytes;
    },

    encode: envelope => withPrefix(envelope, encodeValue(envelope)),

    sent: () => isInner && inner.sent?.(),

    decode(bytes, start, end) {
      const kind = bytes.readUInt32LE(start) as Envelope['kind'];
      const id = bytes.readUInt32LE(start + 4);
      const from = start + prefixBytes;
      const value: unknown =
        kind === failure
          ? JSON.parse(bytes.toString('utf8', from, end))
          : inner.decode(bytes, from, end);
      return { kind, id, value };
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

export function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) };
  const { name, message } = error;
  const { code } = error as NodeJS.ErrnoException;
  return { name, message, ...(code !== undefined && { code }) };
}

/** The error that a handler threw elsewhere: an Error with its name, message and code. */
export function errorOf(value: unknown): Error {
  const { name, message, code } = (value ?? {}) as Partial<Failure>;
  const error = new Error(String(message));
  Object.defineProperty(error, 'name', { value: cleanText(name, 100), configurable: true });
  return code === undefined ? error : Object.assign(error, { code });
}
