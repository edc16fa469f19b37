import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import fc from 'fast-check';
import { Bus, ShmError } from '../../../src/index.js';
import { envelopeCodec, EnvelopeKind } from '../../../src/transport/bus/envelope.js';
import { PeerDirectory } from '../../../src/transport/bus/peer-directory.js';
import type { Channel } from '../../../src/transport/channel/channel.js';
import type { RangeCodec } from '../../../src/transport/codec/types.js';
import { dialLink } from '../../../src/transport/link/dial-link.js';
import { LinkServer } from '../../../src/transport/link/server.js';
import { channelKind, linkedChannel } from '../../../src/transport/channel/link-kind.js';
import { rejected } from '../../support/errors.js';
import { garbage } from './garbage-envelopes.js';
import { refusing } from './support.js';

/** Bytes as they are. */
const raw: RangeCodec<Uint8Array> = {
  inPlace: 0,
  encodeInto: value => value,
  encode: value => value,
  decode: (bytes, start, end) => Buffer.from(bytes.subarray(start, end)),
};

const content = (() => {
  const { name, ...rest } = channelKind({});
  return { ...rest, name: `bus, ${name}` };
})();

describe('A bus with a peer that sends garbage', function () {
  this.timeout(60_000);

  const name = `hostile ${randomUUID()}`;
  let errors: NodeJS.ErrnoException[] = [];
  let victim: Bus;
  let friend: Bus;
  let address: string;

  async function join(id: string): Promise<Bus> {
    const bus = await Bus.join(name, { id });
    bus.on('message', () => {}).on('error', error => errors.push(error));
    bus.onRequest(value => value);
    return bus;
  }

  beforeEach(async () => {
    errors = [];
    victim = await join('victim');
    const place = new PeerDirectory(name, undefined);
    address = place.address(place.others()[0]);
    friend = await join('friend');
  });

  afterEach(() => Promise.all([victim.close(), friend.close()]));

  /** Dials the victim as a peer does, with any greeting. */
  async function dial(greeting: unknown, sharedMemory: boolean): Promise<Channel<Uint8Array>> {
    const link = await dialLink(address, content, { greeting, sharedMemory, timeout: 10_000 });
    return linkedChannel(link, raw).on('error', () => {});
  }

  /** The instance of the last one that intruded. */
  let intruder: string;

  /** A peer like any other up to what it will send, and its link to the victim. */
  async function intrude(id: string, sharedMemory: boolean) {
    intruder = randomBytes(6).toString('hex');
    const greeting = { id, instance: intruder, capacity: 65536 };
    const joined = once(victim, 'join');
    const presence = await dial({ ...greeting, purpose: 'presence' }, false);
    await joined;
    const link = await dial({ ...greeting, purpose: 'link' }, sharedMemory);
    return { presence, link };
  }

  /** It still serves the other peers, and no error but ERR_CORRUPT was emitted. */
  async function isWell(): Promise<void> {
    expect(await friend.request('victim', 'well?', { timeout: 10_000 })).to.equal('well?');
    expect(await victim.request('friend', 'well?', { timeout: 10_000 })).to.equal('well?');
    for (const { code } of errors) expect(code).to.equal('ERR_CORRUPT');
  }

  for (const sharedMemory of [true, false]) {
    const medium = sharedMemory ? 'shared memory' : 'its socket';
    it(`loses that link alone, over ${medium}`, async () => {
      let number = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(garbage, { minLength: 1, maxLength: 5 }), async messages => {
          const id = `intruder ${number++}`;
          const { presence, link } = await intrude(id, sharedMemory);
          // Asked, and never properly answered: its garbage may happen to be an answer.
          const asked = victim.request(id, 'who are you?').catch(() => {});
          for (const bytes of messages) if (!link.closed) link.send(bytes);
          await nextTurn();
          await isWell();
          const left = once(victim, 'leave');
          await Promise.all([link.close(), presence.close()]);
          expect((await left)[0]).to.equal(id);
          await asked;
        }),
        { numRuns: 80 },
      );
      expect(errors).to.have.length.above(10);
    });
  }

  it('tells both sides of a broken link, and rejects what was asked over it', async () => {
    const { presence, link } = await intrude('intruder', true);
    const told = once(link, 'error') as Promise<[NodeJS.ErrnoException]>;
    link.on('message', () => {}); // so that it notices the end
    const asked = rejected(victim.request('intruder', 'who are you?'));
    while (link.listenerCount('message') === 0) await nextTurn();
    await once(link, 'message');
    link.send(Buffer.from([9, 0, 0, 0, 0, 0, 0, 0]));
    expect((await asked).code).to.equal('ERR_CORRUPT');
    expect(errors.map(({ code }) => code)).to.deep.equal(['ERR_CORRUPT']);
    expect(errors[0]!.message).to.match(/kind of at most 6, got 9/);
    expect((await told)[0].code).to.equal('ERR_CORRUPT');
    expect([...victim.peers].sort()).to.deep.equal(['friend', 'intruder']);
    await isWell();
    await Promise.all([link.close(), presence.close()]);
  });

  for (const sharedMemory of [true, false]) {
    const medium = sharedMemory ? 'shared memory' : 'its socket';
    it(`keeps a bounded number of answers for one that never reads them, over ${medium}`, async () => {
      const { presence, link } = await intrude('intruder', sharedMemory);
      const bytes = 12 * 1024;
      const request = { kind: EnvelopeKind.request, id: 1, value: Buffer.alloc(bytes) };
      const asked = envelopeCodec(undefined).encode(request);
      let count = 0;
      while (errors.length === 0) {
        while (!link.closed && link.send(asked)) count++;
        await nextTurn();
        // Many times what it may have the victim keep.
        expect(count * bytes).to.be.below(256 * 1024 * 1024);
      }
      expect(errors[0]).to.deep.include({ code: 'ERR_PROTOCOL', address: 'intruder' });
      expect(errors.splice(0)).to.have.length(1);
      // It would have all of them in the end.
      expect(count * bytes).to.be.above(32 * 1024 * 1024);
      await isWell();
      await Promise.all([link.close(), presence.close()]);
      while (victim.peers.has('intruder')) await nextTurn();
    });
  }

  it('keeps a bounded number of links that a peer piles up, and of those that no peer has', async () => {
    const { presence, link } = await intrude('intruder', false);
    const instance = randomBytes(6).toString('hex');
    const more: Channel<Uint8Array>[] = [];
    const pile = async (greeting: object, count: number) => {
      const links: Channel<Uint8Array>[] = [];
      for (let i = 0; i < count; i++) {
        const one = await dial({ capacity: 65536, ...greeting, purpose: 'link' }, false);
        links.push(one.on('message', () => {}));
      }
      more.push(...links);
      return links;
    };
    // Nobody has that instance: they wait, and the first give way to the last.
    const strange = await pile({ id: 'nobody', instance }, 150);
    const stranger = await pile({ id: 'nobody', instance: '0'.repeat(12) }, 150);
    const open = (links: Channel<Uint8Array>[]) => links.filter(one => !one.closed).length;
    // Before their time is over, which is 5 seconds.
    let start = performance.now();
    while (open(strange) > 0 && performance.now() < start + 3000) await nextTurn();
    expect(open(strange)).to.equal(0);
    expect(open(stranger)).to.equal(150);
    const known = await pile({ id: 'intruder', instance: intruder }, 80);
    start = performance.now();
    while (open(known) > 63 && performance.now() < start + 3000) await nextTurn();
    expect(open(known)).to.equal(63); // and the one it had
    expect(errors).to.deep.equal([]);
    await isWell();
    await Promise.all([link, presence, ...more].map(one => one.close()));
  });

  it('makes another link in place of a broken one', async () => {
    const both = ['one', 'other'].map(id => Bus.join(`${name} of two`, { id, codec: refusing }));
    const [one, other] = (await Promise.all(both)) as [Bus, Bus];
    try {
      for (const bus of [one, other]) bus.onRequest(() => new Promise(() => {}));
      for (const bus of [one, other]) if (bus.peers.size === 0) await once(bus, 'join');
      const got: unknown[] = [];
      other.on('message', value => got.push(value));
      one.send('other', 'before');
      while (got.length < 1) await once(other, 'message');
      const told = [once(one, 'error'), once(other, 'error')] as Promise<[ShmError]>[];
      const asked = rejected(one.request('other', 'no answer to this'));
      one.send('other', 'refused');
      const codes = (await Promise.all(told)).map(([error]) => error.code);
      expect(codes).to.deep.equal(['ERR_CORRUPT', 'ERR_CORRUPT']);
      expect((await asked).code).to.equal('ERR_CORRUPT');
      one.send('other', 'after');
      while (got.length < 2) await once(other, 'message');
      expect(got).to.deep.equal(['before', 'after']);
      expect([one.peers.has('other'), other.peers.has('one')]).to.deep.equal([true, true]);
    } finally {
      await Promise.all([one.close(), other.close()]);
    }
  });

  it('takes no greeting for more than it is', async () => {
    const value = fc.oneof(fc.jsonValue(), fc.constantFrom('victim', 'x', '0123456789ab', 65536));
    const greeting = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.record(
        { id: value, instance: value, capacity: value, purpose: fc.constantFrom('presence', 1) },
        { requiredKeys: [] },
      ),
    );
    await fc.assert(
      fc.asyncProperty(greeting, async said => {
        if (JSON.stringify(said).length > 2000) return;
        const channel = await dial(said, false);
        channel.on('message', () => {});
        await nextTurn();
        await channel.close();
        await isWell();
      }),
      { numRuns: 100 },
    );
  });

  it('is joined though some that listen there greet with garbage, and others close at once', async () => {
    const hidden: { close(): void }[] = [];
    for (const greeting of [
      null,
      7,
      'x',
      [],
      { id: 5 },
      { id: 'x', instance: '..', capacity: 1 },
    ]) {
      const place = new PeerDirectory(name, undefined);
      const server = new LinkServer(
        content,
        { greeting, sharedMemory: false },
        {
          link: ({ socket }) => void socket.on('error', () => {}).resume(),
          refused: () => {},
          failed: () => {},
        },
      );
      await server.listen(place.address());
      place.reveal();
      hidden.push({ close: () => (place.hide(), server.close()) });
    }
    const mute = new PeerDirectory(name, undefined);
    const server = createServer(socket => socket.destroy()).listen(mute.address());
    await once(server, 'listening');
    mute.reveal();
    try {
      const late = await join('late');
      expect([...late.peers].sort()).to.deep.equal(['friend', 'victim']);
      expect(await late.request('victim', 1)).to.equal(1);
      await late.close();
    } finally {
      mute.hide();
      server.close();
      for (const one of hidden) one.close();
    }
    await isWell();
  });

  it('tells a failure whatever was thrown, and however long it is', async () => {
    const small = await Bus.join(name, { id: 'small', capacity: 4096, maxMessage: 2000 });
    try {
      const thrown: unknown[] = [
        Object.create(null),
        { toString: 1 },
        Object.assign(new Error('with a code that JSON does not know'), { code: 12n }),
        Object.assign(new Error('long'), {
          message: '\u0001'.repeat(5000),
          code: 'E'.repeat(5000),
        }),
        Object.assign(new Error('x'), { message: { not: 'text' } }),
      ];
      small.onRequest(index => {
        throw thrown[index as number];
      });
      while (!victim.peers.has('small')) await once(victim, 'join');
      const messages: string[] = [];
      for (const index of thrown.keys()) {
        messages.push(
          (await rejected(victim.request('small', index, { timeout: 10_000 }))).message,
        );
      }
      expect(messages).to.deep.equal([
        'what was thrown has no message',
        'what was thrown has no message',
        'with a code that JSON does not know',
        '\u0001'.repeat(100),
        'Error: [object Object]',
      ]);
    } finally {
      await small.close();
    }
  });
});
