// Dialers of the same user that offer what is not what they say.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  ftruncateSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { expect } from 'chai';
import { type Conn, dial, listen, type Listener, ShmError } from '../../../src/index.js';
import {
  discard,
  linkBytes,
  type LinkKind,
  makeRegion,
  takeRegion,
} from '../../../src/transport/link/sharing.js';
import { type StreamRings, streamKind } from '../../../src/transport/conn/stream-rings.js';
import { storeWord } from '../../../src/transport/ring/atomics.js';
import { Field } from '../../../src/transport/ring/layout.js';
import { leftLinks, socketPath } from '../../support/platform.js';
import { readBytes } from '../conn/conn-pairs.js';
import { collect, held, scratch, skip } from '../../native/support.js';
import { encode, Mouth } from './raw-peer.js';

const capacity = 4096;
const bytes = linkBytes(capacity);
const nonce = 'cd'.repeat(16);
const name = `link-${'ab'.repeat(12)}`;
const file = () => join(process.env.MMAP_TRANSPORT_DIR!, name);

describe('A listener that is offered', function () {
  this.timeout(30_000);
  const path = scratch();
  let listener: Listener<Conn>;
  const address = () => socketPath('offers.sock');

  beforeEach(async () => {
    listener = await listen(address(), { capacity }, conn => {
      conn.on('error', () => {});
      conn.pipe(conn);
    });
  });

  afterEach(async () => {
    await unmapped();
    rmSync(file(), { force: true });
    for (const conn of listener.connections) conn.destroy();
    await listener.close();
    expect(leftLinks()).to.deep.equal([]);
  });

  /** Windows neither removes a mapped file nor writes it anew. */
  const unmapped = async () => process.platform === 'win32' && collect();

  /** What a listener says of an offer; it serves afterwards. */
  async function says(size: number = capacity): Promise<string> {
    const mouth = await Mouth.to(address());
    const accepted = once(listener, 'connection') as Promise<[Conn]>;
    const offer = { name, capacity: size, nonce };
    mouth.socket.write(encode(1, { content: 'stream', capacity: size, offer }));
    const { kind, body } = (await mouth.hear())!;
    expect(kind).to.equal(4);
    const [conn] = await accepted;
    expect(conn.transport).to.equal('socket');
    expect(body.fallback).to.equal(conn.fallbackReason);
    mouth.socket.destroy();
    const honest = await dial(address());
    expect(honest.transport).to.equal('shared-memory');
    honest.end('still there');
    expect(String(await readBytes(honest, 11))).to.equal('still there');
    await once(honest.resume(), 'close');
    return String(body.fallback);
  }

  /** A file of zeros with the right nonce in it. */
  function content(length: number): Buffer {
    const zeros = Buffer.alloc(length);
    if (length >= 64) zeros.write(nonce, 48, 'hex');
    return zeros;
  }

  it('a file of another size maps nothing of it', async () => {
    for (const size of [1, 2049, 2050, bytes - 1, bytes + 1, bytes + 2, 2 * bytes]) {
      writeFileSync(file(), content(size), { mode: 0o600 });
      expect(await says()).to.match(new RegExp(`region of ${bytes} bytes, got ${size}`));
      rmSync(file(), { force: true });
    }
    writeFileSync(file(), '', { mode: 0o600 });
    expect(await says()).to.match(/empty file/);
  });

  it('a huge sparse one maps nothing of it, and reserves nothing', async function () {
    if (process.platform !== 'linux') skip(this, 'there is no tmpfs');
    const fd = openSync(file(), 'wx', 0o600);
    ftruncateSync(fd, 5 * 2 ** 30);
    expect(await says()).to.match(/got 5368709120/);
    rmSync(file(), { force: true });
    closeSync(fd);
    const sparse = openSync(file(), 'wx', 0o600);
    ftruncateSync(sparse, bytes);
    closeSync(sparse);
    expect(await says()).to.match(/expected 10240 reserved bytes, got 0/);
  });

  it('one without rings, or with another nonce', async () => {
    writeFileSync(file(), content(bytes), { mode: 0o600 });
    expect(await says()).to.match(/holds no rings/);
    const other = content(bytes);
    for (const half of [0, bytes / 2]) other.write('MMXX', half, 'latin1');
    await unmapped();
    writeFileSync(file(), other, { mode: 0o600 });
    expect(await says()).to.match(/magic of a ring/);
    await unmapped();
    writeFileSync(file(), Buffer.alloc(bytes), { mode: 0o600 });
    expect(await says()).to.match(/different files under one name/);
  });

  it('one whose rings come and go is not kept by them', () => {
    const { region, ends } = makeRegion(streamKind('park'), capacity, undefined, nonce);
    const kind: LinkKind<StreamRings> = {
      ...streamKind('park'),
      open(output, input) {
        // As the dialer can, at any moment.
        storeWord(output.words, Field.magic, 0);
        output.wait = () => expect.fail('it waited for the dialer');
        return streamKind('park').open(output, input);
      },
    };
    const offer = { name: basename(region.path), capacity, nonce };
    const take = () => takeRegion(kind, dirname(region.path), offer, nonce, true);
    expect(take).to.throw(ShmError, /ERR_CORRUPT: expected the magic of a ring, got 0/);
    discard({ region, ends });
  });

  it('16 MiB each way touches what is used of them', async function () {
    if (process.platform !== 'linux') skip(this, 'there is no smaps');
    const big = await listen(path('big'), conn => conn.pipe(conn));
    const conn = await dial(path('big'), { capacity: 16 * 2 ** 20 });
    expect(conn.transport).to.equal('shared-memory');
    conn.write('hello');
    expect(String(await readBytes(conn, 5))).to.equal('hello');
    // Of both sides' mappings, which are in this process.
    const maps = readFileSync('/proc/self/smaps', 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
    const links = maps.filter(map => map.includes('/link-'));
    expect(links.length).to.be.at.least(2);
    const resident = links.map(map => Number(/^Rss: +(\d+) kB$/m.exec(map)![1]));
    expect(resident.reduce((sum, one) => sum + one)).to.be.below(1024);
    conn.destroy();
    await big.close();
  });

  it('a link, a FIFO, or a file that others may open', async () => {
    writeFileSync(path('target'), content(bytes), { mode: 0o600 });
    symlinkSync(path('target'), file());
    expect(await says()).to.match(/symbolic link/);
    rmSync(file());
    execFileSync('mkfifo', ['-m', '600', file()]);
    expect(await says()).to.match(/plain file/);
    rmSync(file());
    writeFileSync(file(), content(bytes));
    chmodSync(file(), 0o644);
    expect(await says()).to.match(/mode 0600, got 0644/);
    if (process.getuid!() === 0) {
      chmodSync(file(), 0o600);
      chownSync(file(), 12345, 12345);
      expect(await says()).to.match(/owner 0, got 12345/);
    }
    expect(readFileSync(file()).equals(content(bytes)), 'it was not written to').to.equal(true);
    expect(readFileSync(path('target')).equals(content(bytes))).to.equal(true);
  });

  it('a region that shrinks, grows or goes, holds on', async () => {
    for (const size of [0, 4096, bytes - 1, bytes + 1, 2 ** 30]) {
      const { region, ends } = makeRegion(streamKind('park'), capacity, undefined, nonce);
      const mouth = await Mouth.to(address());
      const accepted = once(listener, 'connection') as Promise<[Conn]>;
      const offer = { name: region.path.split('/').at(-1), capacity, nonce };
      const fd = openSync(region.path, 'r+');
      mouth.socket.write(encode(1, { content: 'stream', capacity, offer, early: true }));
      expect((await mouth.hear())!.body).to.include.keys('nonce');
      const [conn] = await accepted;
      expect(existsSync(region.path)).to.equal(false);
      // By itself, perhaps with an error, or because it is destroyed below.
      const closed = new Promise<void>(resolve => conn.once('close', () => resolve()));
      ftruncateSync(fd, size);
      conn.write('x'.repeat(9000), () => {});
      conn.read(0);
      ends.input.roleHolder.ringPeer();
      await new Promise(resolve => setTimeout(resolve, 20));
      mouth.socket.destroy();
      conn.destroy();
      await closed;
      closeSync(fd);
      ends.close();
      region.close();
    }
    const honest = await dial(address());
    honest.end('still there');
    expect(String(await readBytes(honest, 11))).to.equal('still there');
    await once(honest.resume(), 'close');
  });

  it('hundreds of regions keeps nothing of them', async function () {
    writeFileSync(file(), content(bytes), { mode: 0o600 });
    await says();
    const before = held();
    for (let i = 0; i < 500; i++) {
      writeFileSync(file(), content(bytes), { mode: 0o600 });
      truncateSync(file(), bytes);
      const mouth = await Mouth.to(address());
      mouth.socket.write(
        encode(1, { content: 'stream', capacity, offer: { name, capacity, nonce } }),
      );
      await mouth.hear();
      const closed = once(mouth.socket, 'close');
      mouth.socket.destroy();
      await closed;
    }
    while (listener.connections.size > 0) await new Promise(resolve => setTimeout(resolve, 5));
    const after = held();
    expect(after.descriptors - before.descriptors).to.be.below(5);
    expect(after.mappings - before.mappings).to.be.below(20);
  });
});
