import { expect } from 'chai';
import fc from 'fast-check';
import { ShmError } from '../../../src/index.js';
import {
  envelopeCodec,
  EnvelopeKind,
  errorOf,
  type Failure,
} from '../../../src/transport/bus/envelope.js';
import { garbage, honest } from './garbage-envelopes.js';

describe('The envelope of a bus', function () {
  this.timeout(60_000);

  it('takes what it made, and refuses everything else with ERR_CORRUPT', () => {
    for (const envelope of honest) {
      const bytes = Buffer.from(envelopeCodec(undefined).encode(envelope));
      const decoded = envelopeCodec(undefined).decode(bytes, 0, bytes.length);
      expect(decoded).to.deep.equal({ ...envelope, bytes: bytes.length });
    }
    let taken = 0;
    let refused = 0;
    fc.assert(
      fc.property(garbage, bytes => {
        // Other records lie beside this one: what is not there must not be read there.
        const around = Buffer.concat([Buffer.alloc(8, 0xee), bytes, Buffer.alloc(64, 3)]);
        try {
          const decoded = envelopeCodec(undefined).decode(around, 8, 8 + bytes.length);
          expect(decoded.kind).to.be.within(0, EnvelopeKind.holding);
          if (decoded.kind === EnvelopeKind.failure) {
            const { name, message } = decoded.value as Failure;
            expect([typeof name, typeof message]).to.deep.equal(['string', 'string']);
            expect(errorOf(decoded.value as Failure)).to.be.instanceOf(Error);
          }
          taken++;
        } catch (error) {
          if (!(error instanceof ShmError)) throw error;
          expect(error.code).to.equal('ERR_CORRUPT');
          refused++;
        }
      }),
      { numRuns: 10_000 },
    );
    expect(taken).to.be.above(50);
    expect(refused).to.be.above(1000);
  });
});
