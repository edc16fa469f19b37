import fc from 'fast-check';
import { type Envelope, envelopeCodec, EnvelopeKind } from '../../../src/transport/bus/envelope.js';

/** What honest peers send. */
export const honest: Envelope[] = [
  {
    kind: EnvelopeKind.message,
    id: 0,
    value: { a: 1, b: [{ a: 2, b: 'text' }], c: new Map([[1, 2]]) },
  },
  {
    kind: EnvelopeKind.request,
    id: 7,
    value: [1.5, 12n, null, { deep: { deeper: 'x'.repeat(50) } }],
  },
  { kind: EnvelopeKind.reply, id: 1, value: 'an answer' },
  { kind: EnvelopeKind.failure, id: 1, value: { name: 'Error', message: 'no', code: 'E_NO' } },
  { kind: EnvelopeKind.hold, id: 1, value: undefined },
];

/** Random bytes, and honest envelopes of which some bytes were changed, cut off or added. */
export const garbage = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc
    .record({
      of: fc.nat({ max: honest.length - 1 }),
      changes: fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 4 }),
      cut: fc.option(fc.nat({ max: 60 })),
      added: fc.uint8Array({ maxLength: 12 }),
    })
    .map(({ of, changes, cut, added }) => {
      const bytes = Buffer.from(envelopeCodec(undefined).encode(honest[of]!));
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      return Buffer.concat([cut === null ? bytes : bytes.subarray(0, cut), added]);
    }),
  // A failure that is JSON, but of what?
  fc.json().map(json => Buffer.concat([Buffer.from([3, 0, 0, 0, 1, 0, 0, 0]), Buffer.from(json)])),
  fc
    .record(
      { name: fc.jsonValue(), message: fc.jsonValue(), code: fc.jsonValue() },
      { requiredKeys: [] },
    )
    .map(failure =>
      Buffer.concat([Buffer.from([3, 0, 0, 0, 1, 0, 0, 0]), Buffer.from(JSON.stringify(failure))]),
    ),
);
