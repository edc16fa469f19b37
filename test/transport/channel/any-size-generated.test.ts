import { expect } from 'chai';
import fc from 'fast-check';
import { Channel } from '../../../src/index.js';

/*
 * Any mix of sends, blocking or not, of short and long messages, and of reads, by both ends in one
 * thread: what was accepted arrives, in order, once, and nothing else does.
 */

const capacity = 4096;

const length = fc.oneof(
  fc.nat(100),
  fc.integer({ min: 2030, max: 2045 }),
  fc.nat(10_000),
  fc.integer({ min: 490, max: 20_000 }),
);
const step = fc.oneof(
  fc.record({ does: fc.constant('send' as const), length }),
  fc.record({ does: fc.constant('sendSync' as const), length }),
  fc.record({ does: fc.constant('read' as const), length: fc.nat(3) }),
  fc.record({ does: fc.constant('turn' as const), length: fc.nat(3) }),
);

const turn = () => new Promise(resolve => setImmediate(resolve));

describe('Messages of any size, generated', function () {
  this.timeout(120_000);

  for (const codec of ['bytes', 'structured'] as const) {
    it(`arrive as they were accepted, as ${codec}`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 30 }), async steps => {
          const one = Channel.create({ capacity, codec: codec as 'structured' });
          const other = Channel.open(one.handle, { codec: codec as 'structured' });
          const sent: string[] = [];
          const got: string[] = [];
          const show = (value: unknown) => {
            const bytes = (codec === 'bytes' ? value : (value as { of: Buffer }).of) as Buffer;
            return `${bytes.length} ${bytes[0]} ${bytes.at(-1)} ${bytes.every(b => b === bytes[0])}`;
          };
          try {
            for (const [i, { does, length: amount }] of steps.entries()) {
              if (does === 'turn') {
                for (let turns = amount; turns > 0; turns--) await turn();
              } else if (does === 'read') {
                for (let reads = amount; reads > 0; reads--) {
                  const value = other.receiveSync(0);
                  if (value !== undefined) got.push(show(value));
                }
              } else {
                const bytes = Buffer.alloc(amount, i);
                // Keys that are new: told with a message that may be given up.
                const value = codec === 'bytes' ? bytes : { [`key ${i >> 2}`]: i, of: bytes };
                const isSent = does === 'send' ? one.send(value) : one.sendSync(value, 1);
                if (isSent) sent.push(show(value));
                bytes.fill(255);
              }
            }
            const all = (async () => {
              for await (const value of other) got.push(show(value));
            })();
            await one.close();
            await all;
          } finally {
            await Promise.all([one.close(), other.close()]);
          }
          expect(got).to.deep.equal(sent);
        }),
        { numRuns: 300 },
      );
    });
  }
});
