import { structured } from '../codec/structured.js';
import type { RangeCodec } from '../codec/types.js';
import type { Producer } from '../ring/producer.js';
import type { SerializationMode } from './control-messages.js';

/** Messages as bytes, with what `process.send` makes of values in the same mode. */
export interface MessageCodec {
  /**
   * Encodes a message once, into the ring where there is room for it.
   *
   * @returns undefined: it is in the ring; else its bytes, which are private
   * @throws what `process.send` throws; nothing was sent
   */
  put(message: unknown, output: Producer): Uint8Array | undefined;
  encode(message: unknown): Uint8Array;
  /** @throws as Node does while it reads: `SyntaxError` */
  decode(bytes: Buffer, start: number, end: number): unknown;
}

export function messageCodec(mode: SerializationMode): MessageCodec {
  return mode === 'json' ? json : advanced();
}

// As Node does: what a program puts there later changes nothing.
const { parse, stringify } = JSON;

/** What has no JSON, because its `toJSON` says so, is refused by the receiver, as with Node. */
const textOf = (message: unknown): string => stringify(message) ?? 'undefined';

/** Longer texts are not worth a reservation. */
const longestInPlace = 4096;

const json: MessageCodec = {
  put(message, output) {
    // A function of the user may run here, and send; nothing is reserved yet.
    const text = textOf(message);
    const { length } = text;
    const start = length <= longestInPlace ? output.tryReserveRange(length) : -1;
    if (start < 0) return Buffer.from(text);
    // UTF-8 takes at most three bytes per UTF-16 unit.
    if (length * 3 > output.reserved) {
      output.abort();
      return Buffer.from(text);
    }
    output.commit(output.records.write(text, start));
    return undefined;
  },
  encode: message => Buffer.from(textOf(message)),
  decode: (bytes, start, end) => parse(bytes.toString('utf8', start, end)) as unknown,
};

function advanced(): MessageCodec {
  const codec = structured(undefined, true);
  /** The ring's room that is being filled; an accessor of the message may send another one. */
  let filling: Producer | undefined;
  /** Nothing of ours stays in memory that others use, and what was encoded will be sent. */
  const own = (bytes: Uint8Array) => {
    const copy = Buffer.from(bytes);
    codec.sent?.();
    return copy;
  };
  return {
    put(message, output) {
      if (filling) makeWay(codec, filling);
      const start = output.tryReserveRange(codec.inPlace);
      if (start < 0) return own(codec.encode(message));
      let encoded: number | Uint8Array;
      filling = output;
      try {
        encoded = codec.encodeInto(message, output.records, start, start + output.reserved);
      } catch (error) {
        output.abort();
        throw error;
      } finally {
        filling = undefined;
      }
      if (typeof encoded !== 'number') {
        output.abort();
        return own(encoded);
      }
      output.commit(encoded);
      codec.sent?.();
      return undefined;
    },
    encode(message) {
      if (filling) makeWay(codec, filling);
      return own(codec.encode(message));
    },
    decode: (bytes, start, end) => codec.decode(bytes, start, end),
  };

  function makeWay(used: RangeCodec<unknown>, output: Producer): void {
    filling = undefined;
    used.vacate?.(output.records);
    output.abort();
  }
}
