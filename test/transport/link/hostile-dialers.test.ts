import { once } from 'node:events';
import { connect } from 'node:net';
import { expect } from 'chai';
import { protocolVersion } from '../../../src/transport/link/handshake-messages.js';
import { type Conn, dial, listen, type Listener, type ListenOptions } from '../../../src/index.js';
import { atOnce, leftLinks, socketPath } from '../../support/platform.js';
import { random } from '../../support/traffic.js';
import { collect, held, needsDescriptors, scratch } from '../../native/support.js';
import { readBytes } from '../conn/conn-pairs.js';
import { encode, Mouth } from '../link/raw-peer.js';

const code = (error: unknown) => (error as NodeJS.ErrnoException).code;
const hello = (more: object = {}) => encode(1, { content: 'stream', ...more });
/** An offer in good form, of a region that nobody has made. */
const nothing = { name: `link-${'ab'.repeat(12)}`, capacity: 262_144, nonce: 'cd'.repeat(16) };

/** What JSON can make that has no text. */
const evil = { toString: 1, valueOf: 1 };

describe('A listener', function () {
  this.timeout(30_000);
  const path = scratch();
  const at = (name: string) => socketPath(path(name));
  let listener: Listener<Conn>;

  async function open(options: ListenOptions = {}): Promise<string> {
    listener = await listen(at('socket'), { ...options }, conn => conn.pipe(conn));
    return at('socket');
  }

  afterEach(async () => {
    for (const conn of listener.connections) conn.destroy();
    await listener.close();
  });

  /** It still serves, and in shared memory. */
  async function serves(): Promise<void> {
    const conn = await dial(at('socket'));
    expect(conn.transport).to.equal('shared-memory');
    conn.write('still there?');
    expect(String(await readBytes(conn, 12))).to.equal('still there?');
    const gone = once(conn, 'close');
    conn.destroy();
    await gone;
  }

  it('reads little of one that it has refused, however much that sends', async () => {
    const address = await open();
    const socket = connect({ path: address, allowHalfOpen: true });
    const closed = new Promise<void>(resolve => socket.once('close', () => resolve()));
    socket.on('error', () => {});
    socket.resume();
    const chunk = Buffer.alloc(65_536, 'A');
    // The kernel has taken what was called back without an error.
    let taken = 0;
    const send = (error?: Error | null) => {
      if (error || socket.destroyed) return;
      taken += chunk.length;
      setImmediate(() => socket.write(chunk, send));
    };
    socket.write(chunk, send);
    await closed;
    // What is read at once, what is read later, and what lies in the kernel.
    expect(taken).to.be.below(4 * 2 ** 20);
    await serves();
  });

  const wrong: [title: string, bytes: Buffer, code: string, detail: RegExp][] = [
    ['random bytes', noise(7, 100_000), 'ERR_PROTOCOL', /speaks mmap-transport, got/],
    [
      'an HTTP client',
      Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
      'ERR_PROTOCOL',
      /got "GET \/ HT"/,
    ],
    ['another mark', encode(1, {}, { mark: 'MMLX' }), 'ERR_PROTOCOL', /speaks/],
    ['another version', encode(1, {}, { version: 9 }), 'ERR_VERSION', /version 2, got 9/],
    ['another message first', encode(3, {}), 'ERR_PROTOCOL', /message 1, got 3/],
    ['a length beyond bounds', encode(1, {}, { length: 4097 }), 'ERR_PROTOCOL', /at most 4096/],
    ['a body that is no JSON', encode(1, '{"content":'), 'ERR_PROTOCOL', /message 1, got a body/],
    ['a body that is no object', encode(1, '"stream"'), 'ERR_PROTOCOL', /message 1/],
    ['a body that is null', encode(1, 'null'), 'ERR_PROTOCOL', /message 1/],
    ['a body that is a list', encode(1, '["stream"]'), 'ERR_PROTOCOL', /message 1/],
    ['an object where a text should be', hello({ content: evil }), 'ERR_PROTOCOL', /an object/],
    ['an object as a reason', hello({ fallback: evil }), 'ERR_PROTOCOL', /a reason.*an object/],
    ...[-1, 5000, 2 ** 40, 'x', null, {}, evil, [4096]].map(
      (capacity): [string, Buffer, string, RegExp] => [
        `a capacity of ${JSON.stringify(capacity)}`,
        hello({ capacity }),
        'ERR_PROTOCOL',
        /expected a capacity/,
      ],
    ),
    ...[
      'link-x',
      '../../etc/passwd',
      `link-${'ab'.repeat(12)}\0`,
      `bell-${'ab'.repeat(12)}`,
      7,
      evil,
    ].map((name): [string, Buffer, string, RegExp] => [
      `an offer of ${JSON.stringify(name)}`,
      hello({ offer: { ...nothing, name } }),
      'ERR_PROTOCOL',
      /expected a link's name/,
    ]),
    ['no offer', hello({ offer: 'none' }), 'ERR_PROTOCOL', /expected an offer/],
    ['a nonce of nothing', hello({ offer: { ...nothing, nonce: '' } }), 'ERR_PROTOCOL', /a nonce/],
    [
      'a directory of another kind',
      hello({ offer: { ...nothing, directory: 5 } }),
      'ERR_PROTOCOL',
      /a directory's path/,
    ],
    [
      'something else to talk of',
      encode(1, { content: 'opera\u0007' }),
      'ERR_PROTOCOL',
      /for stream, got one for opera\?/,
    ],
    [
      'an error that is none of ours',
      encode(5, { code: '__proto__', detail: 7 }),
      'ERR_PROTOCOL',
      /the peer refused: 7/,
    ],
    [
      'an error that has no text',
      encode(5, { code: evil, detail: evil }),
      'ERR_PROTOCOL',
      /the peer refused: an object/,
    ],
  ];
  for (const [title, bytes, expected, detail] of wrong) {
    it(`tells a peer with ${title} what is wrong, and goes on`, async () => {
      const mouth = await Mouth.to(await open());
      const refused = once(listener, 'clientError');
      mouth.socket.write(bytes);
      const answer = await mouth.hear();
      const [error] = (await refused) as [Error];
      expect(code(error)).to.equal(expected);
      expect(error.message).to.match(detail);
      expect(answer).to.deep.include({ kind: 5, version: protocolVersion });
      expect(answer!.body.code).to.equal(expected);
      expect(answer!.body.detail).to.match(detail);
      expect(await mouth.hear(), 'then it closes').to.equal(undefined);
      mouth.socket.destroy();
      await serves();
    });
  }

  const gone: [title: string, bytes: Buffer][] = [
    ['at once', Buffer.alloc(0)],
    ['within the header', hello().subarray(0, 5)],
    ['within the body', hello().subarray(0, 20)],
    ['with the first message said', hello()],
  ];
  for (const [title, bytes] of gone) {
    it(`forgets a peer that leaves ${title}`, async () => {
      const mouth = await Mouth.to(await open());
      const refused = once(listener, 'clientError');
      mouth.socket.end(bytes);
      const [error] = (await refused) as [Error];
      expect(code(error)).to.equal('ECONNRESET');
      expect(error.message).to.match(/closed during the handshake/);
      expect(leftLinks()).to.deep.equal([]);
      mouth.socket.destroy();
      await serves();
    });
  }

  it('gives a silent peer its time, and has made nothing for it', async () => {
    await open({ handshakeTimeout: 150 });
    const silent = await Mouth.to(at('socket'));
    const talker = await Mouth.to(at('socket'));
    talker.socket.write(hello());
    const ask = (await talker.hear())!;
    const directory = process.env.MMAP_TRANSPORT_DIR;
    expect(ask).to.deep.include({ kind: 2, body: { capacity: 262_144, directory } });
    expect(leftLinks()).to.deep.equal([]);
    const codes: unknown[] = [];
    listener.on('clientError', error => codes.push(code(error)));
    for (const mouth of [silent, talker]) {
      expect((await mouth.hear())!.body.code).to.equal('ETIMEDOUT');
      mouth.socket.destroy();
    }
    expect(codes).to.deep.equal(['ETIMEDOUT', 'ETIMEDOUT']);
    expect(leftLinks()).to.deep.equal([]);
    await serves();
  });

  it('is not kept by a drop of bytes now and then', async () => {
    await open({ handshakeTimeout: 200 });
    const mouth = await Mouth.to(at('socket'));
    const refused = once(listener, 'clientError');
    const bytes = hello();
    let said = 0;
    const drip = setInterval(() => mouth.socket.write(bytes.subarray(said, ++said)), 20);
    expect(code((await refused)[0])).to.equal('ETIMEDOUT');
    clearInterval(drip);
    mouth.socket.destroy();
  });

  /** Says hello, and is asked for memory. */
  async function asked(more: object = {}): Promise<Mouth> {
    const mouth = await Mouth.to(at('socket'));
    mouth.socket.write(hello(more));
    expect((await mouth.hear())!.kind).to.equal(2);
    return mouth;
  }

  it('goes on over the socket where the peer offers what is not there', async () => {
    await open();
    const accepted = once(listener, 'connection') as Promise<[Conn]>;
    const mouth = await asked({ offer: nothing });
    mouth.say(3, nothing);
    const start = await mouth.hear();
    const [conn] = await accepted;
    expect(conn.transport).to.equal('socket');
    expect(conn.fallbackReason).to.match(/ENOENT/);
    expect(start!.body.fallback).to.equal(conn.fallbackReason);
    mouth.socket.write('and yet');
    expect(await mouth.hearText(7)).to.equal('and yet');
    mouth.socket.destroy();
  });

  it('asks once, and takes no other answer than what it asked for', async () => {
    await open();
    for (const [wrong, detail] of [
      [{ ...nothing, capacity: 65_536 }, /capacity 262144, got 65536/],
      [{}, /a capacity, got undefined/],
      [{ ...nothing, name: '/etc/passwd' }, /a link's name/],
      [{ fallback: {} }, /a reason for the socket/],
    ] as const) {
      const mouth = await asked();
      const refused = once(listener, 'clientError');
      mouth.say(3, wrong);
      expect((await mouth.hear())!.body.code).to.equal('ERR_PROTOCOL');
      expect(((await refused)[0] as Error).message).to.match(detail);
      mouth.socket.destroy();
    }
    await serves();
  });

  it('refuses a thousand of them at once, serves meanwhile, and keeps nothing', async function () {
    needsDescriptors(this, 4000);
    await open({ handshakeTimeout: 1000, backlog: 2000 });
    await serves();
    const pick = random(11);
    const round = async (count: number) => {
      let refused = 0;
      const all = new Promise<void>(resolve => {
        listener.removeAllListeners('clientError');
        listener.on('clientError', () => ++refused === count && resolve());
      });
      const sockets = Array.from({ length: count }, () => {
        const socket = connect(at('socket'));
        socket.on('error', () => {});
        socket.resume();
        const kind = pick(6);
        if (kind === 0) socket.write(noise(pick(1000), 300));
        if (kind === 1) socket.write('POST / HTTP/1.1\r\n\r\n');
        if (kind === 2) socket.write(hello()); // and silence
        if (kind === 3) socket.end(hello().subarray(0, pick(30)));
        if (kind === 4) socket.write(hello(), () => socket.destroy());
        return socket; // 5: silence from the beginning
      });
      await serves();
      await all;
      for (const socket of sockets) {
        if (!socket.closed) await once(socket.destroy(), 'close');
      }
    };
    await round(atOnce(100));
    await collect();
    const before = held();
    await round(atOnce(1000));
    // The last refused peers get half a second to read why; only then are their sockets garbage.
    for (let i = 0; i < 100; i++) {
      await collect();
      const now = held();
      if (now.descriptors <= before.descriptors && now.mappings < before.mappings + 50) break;
      await new Promise(resolve => setTimeout(resolve, 20));
    }
    const after = held();
    expect(after.descriptors).to.be.at.most(before.descriptors);
    expect(after.mappings - before.mappings).to.be.below(50);
    expect(after.residentBytes - before.residentBytes).to.be.below(64 << 20);
    expect(leftLinks()).to.deep.equal([]);
    await serves();
  });

  it('gives up handshakes when it is closed, and says so', async () => {
    await open();
    const mouth = await Mouth.to(at('socket'));
    mouth.socket.write(hello());
    await mouth.hear();
    const refused = once(listener, 'clientError');
    const closing = listener.close();
    expect(code((await refused)[0])).to.equal('ERR_CLOSED');
    expect((await mouth.hear())!.body).to.deep.include({ code: 'ERR_CLOSED' });
    expect(leftLinks()).to.deep.equal([]);
    mouth.socket.destroy();
    await closing;
  });
});

function noise(seed: number, length: number): Buffer {
  const next = random(seed);
  return Buffer.from(Array.from({ length }, () => next(256)));
}
