import { once } from 'node:events';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';
import { dial } from '../../../src/index.js';
import { scratch } from '../../native/support.js';
import { rejected } from '../../support/errors.js';
import { leftLinks, socketPath } from '../../support/platform.js';
import { readBytes } from '../conn/pairs.js';
import { type Mouth, rawListener } from '../link/raw-peer.js';

const regions = () => process.env.MMAP_TRANSPORT_DIR!;
const linkName = (digit: string) => `link-${digit.repeat(24)}`;

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
      /message 2, got 1/,
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
    [
      'one that starts before its time',
      'ERR_PROTOCOL',
      /message 2, got 4/,
      mouth => mouth.say(4, {}),
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

  it('says that nobody is there, and refuses nonsense', async () => {
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

  describe('is not led by a lying offer to', () => {
    const nonce = 'cd'.repeat(16);

    /** What a dialer does that is offered this; what it says of it. */
    async function offered(offer: object): Promise<string> {
      let said: unknown;
      const address = await meets(async mouth => {
        await mouth.hear();
        mouth.say(2, { capacity: 4096, ...offer });
        said = (await mouth.hear())!.body.fallback;
        mouth.say(4, { fallback: said });
        mouth.socket.write('over the socket');
      });
      const conn = await dial(address);
      expect(conn.transport).to.equal('socket');
      expect(String(await readBytes(conn, 15))).to.equal('over the socket');
      expect(said).to.equal(conn.fallbackReason);
      const gone = once(conn, 'close');
      conn.destroy();
      await gone;
      return conn.fallbackReason!;
    }

    it("any file but a link's", async () => {
      for (const wrong of ['/etc/passwd', path('none'), 7, null, `${linkName('a')}/x`]) {
        expect(await offered({ path: wrong, nonce })).to.match(/path of a link/);
        server!.close();
        await once(server!, 'close');
      }
    });

    it('one that is not there', async () => {
      expect(await offered({ path: path(linkName('a')), nonce })).to.match(/ENOENT/);
    });

    it('a link to a file, a FIFO', async () => {
      const at = (digit: string) => path(linkName(digit));
      writeFileSync(path('target'), Buffer.alloc(20_000), { mode: 0o600 });
      symlinkSync(path('target'), at('b'));
      expect(await offered({ path: at('b'), nonce })).to.match(/symbolic link/);
      await again();
      execFileSync('mkfifo', ['-m', '600', at('c')]);
      expect(await offered({ path: at('c'), nonce })).to.match(/plain file/);
      for (const digit of ['b', 'c']) rmSync(at(digit));
    });

    it("a stranger's, or one that others may open", async function () {
      const file = path(linkName('d'));
      writeFileSync(file, Buffer.alloc(20_000), { mode: 0o600 });
      chmodSync(file, 0o644);
      expect(await offered({ path: file, nonce })).to.match(/mode 0600, got 0644/);
      await again();
      if (process.getuid!() === 0) {
        chmodSync(file, 0o600);
        chownSync(file, 12345, 12345);
        expect(await offered({ path: file, nonce })).to.match(/owner 0, got 12345/);
      }
      expect(readFileSync(file).equals(Buffer.alloc(20_000)), 'it was not written to').to.equal(
        true,
      );
      rmSync(file);
    });

    it('one with another nonce, one that is too short, one that holds no rings', async () => {
      let digit = 0;
      // A new one each time: Windows lets nobody write a mapped file anew.
      const write = (bytes: Buffer) => {
        const file = join(regions(), linkName(String(digit++)));
        writeFileSync(file, bytes, { mode: 0o600 });
        return file;
      };
      const other = write(Buffer.alloc(20_000));
      expect(await offered({ path: other, nonce })).to.match(/different files under one name/);
      await again();
      const short = write(Buffer.alloc(100));
      expect(await offered({ path: short, nonce })).to.match(/too short/);
      await again();
      const proven = Buffer.alloc(20_480);
      proven.write(nonce, 32, 'hex');
      expect(await offered({ path: write(proven), nonce })).to.match(/magic of a ring/);
      await again();
      for (const nonsense of [undefined, 7, '', nonce.slice(2)]) {
        const path = write(proven);
        expect(await offered({ path, nonce: nonsense })).to.match(/different files/);
        await again();
      }
      expect(leftLinks()).to.deep.equal([]);
    });

    async function again(): Promise<void> {
      server!.close();
      await once(server!, 'close');
    }
  });

  it('leaves nothing of a region that is taken back at the last step', async () => {
    const address = await meets(async mouth => {
      await mouth.hear();
      mouth.say(2, { capacity: 4096, fallback: 'on second thoughts\u001b[31m' });
      await mouth.hear();
      mouth.say(4, {});
      mouth.socket.pipe(mouth.socket);
    });
    const conn = await dial(address);
    expect(conn.fallbackReason).to.equal('on second thoughts?[31m');
    conn.end('echo');
    expect(String(await readBytes(conn, 4))).to.equal('echo');
    conn.resume();
    await once(conn, 'close');
  });
});
