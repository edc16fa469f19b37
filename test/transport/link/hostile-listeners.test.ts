import { once } from 'node:events';
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import type { Server } from 'node:net';
import { expect } from 'chai';
import { dial } from '../../../src/index.js';
import { scratch, skip } from '../../native/support.js';
import { rejected } from '../../support/errors.js';
import { leftLinks, socketPath } from '../../support/platform.js';
import { readBytes } from '../conn/conn-pairs.js';
import { type Mouth, rawListener } from '../link/raw-peer.js';

const regions = () => process.env.MMAP_TRANSPORT_DIR!;

const nonce = 'cd'.repeat(16);
/** What JSON can make that has no text. */
const evil = { toString: 1, valueOf: 1 };

describe('A dialer', function () {
  this.timeout(30_000);
  const path = scratch();
  const address = (name: string) => socketPath(path(name));
  let server: Server | undefined;

  async function meets(meet: (mouth: Mouth) => Promise<void> | void): Promise<string> {
    server = await rawListener(address('socket'), meet);
    return address('socket');
  }

  afterEach(async () => {
    if (!server) return;
    server.close();
    await once(server, 'close');
    server = undefined;
  });

  const wrong: [title: string, code: string, RegExp, (mouth: Mouth) => Promise<void> | void][] = [
    [
      'an echo server',
      'ERR_PROTOCOL',
      /message 2 or 4, got 1/,
      ({ socket }) => void socket.pipe(socket),
    ],
    ['one that closes', 'ECONNRESET', /during the handshake/, ({ socket }) => void socket.end()],
    ['one that breaks off', 'ECONNRESET', /during/, mouth => void mouth.socket.end('MMLK')],
    ['noise', 'ERR_PROTOCOL', /speaks/, mouth => void mouth.socket.end('x'.repeat(100_000))],
    ['another version', 'ERR_VERSION', /got 9/, mouth => mouth.say(2, {}, { version: 9 })],
    ['too long a message', 'ERR_PROTOCOL', /4096/, mouth => mouth.say(2, {}, { length: 9999 })],
    [
      'a refusal',
      'EACCES',
      /the peer refused: not you\?/,
      mouth => mouth.say(5, { code: 'EACCES', detail: 'not you\n' }),
    ],
    ['one that confirms', 'ERR_PROTOCOL', /message 2 or 4, got 6/, mouth => mouth.say(6, {})],
    ['a start that says nothing', 'ERR_PROTOCOL', /a nonce/, mouth => mouth.say(4, {})],
    [
      'a start without a nonce',
      'ERR_PROTOCOL',
      /expected a nonce, got an object/,
      mouth => mouth.say(4, { capacity: 4096, nonce: evil }),
    ],
    [
      'one that has not mapped what it was offered',
      'ERR_PROTOCOL',
      /has mapped them, got the two sides see different files/,
      mouth => mouth.say(4, { capacity: 262_144, nonce }),
    ],
    [
      'a reason that is no text',
      'ERR_PROTOCOL',
      /a reason for the socket, got an object/,
      mouth => mouth.say(4, { capacity: 4096, fallback: { toString: null } }),
    ],
    [
      'a capacity that is no number',
      'ERR_PROTOCOL',
      /a capacity, got an object/,
      mouth => mouth.say(2, { capacity: evil }),
    ],
    [
      'a refusal that has no text',
      'EXDEV',
      /the peer refused: an object/,
      mouth => mouth.say(5, { code: 'EXDEV', detail: evil }),
    ],
    [
      'a wish beyond all measure',
      'ERR_PROTOCOL',
      /capacity of at most 16777216, got 1073741824/,
      mouth => mouth.say(2, { capacity: 2 ** 30, directory: regions() }),
    ],
  ];
  for (const [title, code, detail, meet] of wrong) {
    it(`says what is wrong with ${title}`, async () => {
      const address = await meets(meet);
      const error = await rejected(dial(address));
      expect(error).to.include({ name: 'ShmError', code, operation: 'dial', address });
      expect(error.message).to.match(detail);
    });
  }

  it('says what is wrong with an HTTP server', async () => {
    const http = createHttpServer().listen(address('http'));
    await once(http, 'listening');
    const error = await rejected(dial(address('http')));
    expect(error.code).to.equal('ERR_PROTOCOL');
    expect(error.message).to.match(/got "HTTP\/1\.1/);
    http.close();
    await once(http, 'close');
  });

  it('gives up on a silent one in time, or when it is told to', async () => {
    const address = await meets(() => {});
    const late = await rejected(dial(address, { timeout: 60 }));
    expect(late).to.include({ code: 'ETIMEDOUT', operation: 'dial' });
    expect(late.message).to.match(/within 60 ms/);
    const reason = new Error('no longer wanted');
    const controller = new AbortController();
    const dialing = rejected(dial(address, { signal: controller.signal }));
    setTimeout(() => controller.abort(reason), 20);
    expect(await dialing).to.equal(reason);
    expect(await rejected(dial(address, { signal: AbortSignal.abort(reason) }))).to.equal(reason);
  });

  it('says that nobody is there, and refuses bad addresses', async () => {
    expect((await rejected(dial(address('nobody')))).code).to.equal('ENOENT');
    for (const nonsense of ['', 7, null, {}, { port: -1 }, { port: 1, host: 5 }] as never[]) {
      expect((await rejected(dial(nonsense))).code).to.equal('ERR_INVALID_ARG');
    }
    const code = async (options: object) => (await rejected(dial(address('nobody'), options))).code;
    expect(await code({ capacity: 5000 })).to.equal('ERR_OUT_OF_RANGE');
    expect(await code({ timeout: -1 })).to.equal('ERR_OUT_OF_RANGE');
    expect(await code({ wait: 'nap' })).to.equal('ERR_INVALID_ARG');
  });

  it('says that a socket is deserted, and that a path is too long for one', async () => {
    const deserted = await meets(() => {});
    renameSync(deserted, path('deserted'));
    server!.close();
    await once(server!, 'close');
    server = undefined;
    expect((await rejected(dial(path('deserted')))).code).to.equal('ECONNREFUSED');
    const long = path('x'.repeat(200));
    expect((await rejected(dial(long))).code).to.equal('ENAMETOOLONG');
  });

  it('makes no more than it asked for', async () => {
    const address = await meets(async mouth => {
      await mouth.hear();
      mouth.say(2, { capacity: 131_072, directory: regions() });
    });
    const error = await rejected(dial(address, { capacity: 65_536 }));
    expect(error.message).to.match(/capacity of at most 65536, got 131072/);
    expect(leftLinks()).to.deep.equal([]);
  });

  it('makes nothing where it wants none, whatever it is asked', async () => {
    const address = await meets(async mouth => {
      expect((await mouth.hear())!.body).to.not.include.keys('offer');
      mouth.say(2, { capacity: 4096, directory: regions() });
    });
    const error = await rejected(dial(address, { sharedMemory: false }));
    expect(error.message).to.match(/over the socket, got a question for memory/);
  });

  describe('is asked to make its memory in', () => {
    /** What a dialer answers that is asked for memory there. */
    async function asked(directory: unknown): Promise<string> {
      let said: unknown;
      const address = await meets(async mouth => {
        await mouth.hear();
        mouth.say(2, { capacity: 4096, directory });
        said = (await mouth.hear())!.body.fallback;
        mouth.say(4, { capacity: 4096, fallback: said });
        mouth.socket.write('over the socket');
      });
      const conn = await dial(address);
      expect(conn.transport).to.equal('socket');
      expect(String(await readBytes(conn, 15))).to.equal('over the socket');
      expect(said).to.equal(conn.fallbackReason);
      const gone = once(conn, 'close');
      conn.destroy();
      await gone;
      server!.close();
      await once(server!, 'close');
      server = undefined;
      expect(leftLinks()).to.deep.equal([]);
      return conn.fallbackReason!;
    }

    it('what is no path', async () => {
      for (const wrong of [
        undefined,
        7,
        null,
        {},
        '',
        'here',
        `${regions()}\0/x`,
        '/'.repeat(2000),
      ]) {
        expect(await asked(wrong)).to.match(/absolute path of a region directory/);
      }
    });

    it('a directory that is not there, and makes none', async () => {
      expect(await asked(path('none'))).to.match(/ENOENT/);
      expect(existsSync(path('none'))).to.equal(false);
    });

    it('one that others may enter, or that is none', async () => {
      mkdirSync(path('open'), { mode: 0o755 });
      expect(await asked(path('open'))).to.match(/ERR_UNSAFE_DIRECTORY.*got 0755/);
      expect(readdirSync(path('open'))).to.deep.equal([]);
      symlinkSync(regions(), path('to-regions'));
      expect(await asked(path('to-regions'))).to.match(/symbolic link/);
      writeFileSync(path('file'), '');
      expect(await asked(path('file'))).to.match(/plain directory/);
    });

    it("a stranger's", async function () {
      if (process.getuid?.() !== 0) skip(this, 'only root can make a directory of another user');
      mkdirSync(path('theirs'), { mode: 0o700 });
      chownSync(path('theirs'), 12345, 12345);
      expect(await asked(path('theirs'))).to.match(/owner 0, got 12345/);
    });
  });

  it('gives back what it made where it is refused at the last step', async () => {
    let made: string[] = [];
    const address = await meets(async mouth => {
      await mouth.hear();
      made = leftLinks();
      mouth.say(4, { capacity: 4096, fallback: 'on second thoughts\u001b[31m' });
      mouth.socket.pipe(mouth.socket);
    });
    const conn = await dial(address);
    // Windows lists none: see leftLinks.
    expect(made).to.have.length(process.platform === 'win32' ? 0 : 1);
    expect(leftLinks()).to.deep.equal([]);
    expect(conn.fallbackReason).to.equal('on second thoughts?[31m');
    conn.end('echo');
    expect(String(await readBytes(conn, 4))).to.equal('echo');
    conn.resume();
    await once(conn, 'close');
  });
});
