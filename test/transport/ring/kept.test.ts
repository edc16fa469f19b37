import { fork } from 'node:child_process';
import { once } from 'node:events';
import fs, {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { Channel, Ring } from '../../../src/index.js';
import { PayloadArena } from '../../../src/transport/piscina/index.js';
import { maxLength } from '../../../src/native/limits.js';
import { keptEnds } from '../../../src/transport/ring/header.js';
import { Magic, ringHeaderBytes, ringTrailerBytes } from '../../../src/transport/ring/layout.js';
import { scratch } from '../../native/support.js';
import { thrown } from '../../support/errors.js';
import { message, sibling } from '../../support/processes.js';

const peer = sibling(import.meta.url, './kept-peer.js');
const capacity = 4096;
const size = ringHeaderBytes + capacity + ringTrailerBytes;

describe('A ring kept in a file', () => {
  const path = scratch();

  it('stays with its records, however its last user opened it', async () => {
    const file = path('kept');
    const ring = Ring.create({ capacity, path: file });
    ring.producer().tryWrite(Buffer.from('important'));
    const child = fork(peer, [JSON.stringify(ring.handle)]);
    expect(await message(child)).to.equal('open');
    ring.close();
    child.send('close');
    await once(child, 'exit');
    for (const handle of [ring.handle, file, { ...ring.handle, path: file }]) {
      Ring.open(handle).close();
      expect(existsSync(file)).to.equal(true);
    }
    const again = Ring.open(file);
    expect(Buffer.from(again.consumer().tryRead()!).toString()).to.equal('important');
    again.close();
  });

  it('also one that has a name like those of the region directory', () => {
    const file = path(`ring-${'ab'.repeat(12)}`);
    Ring.create({ capacity, path: file }).close();
    Ring.open({ path: file, capacity }).close();
    expect(existsSync(file)).to.equal(true);
  });

  it('cut to a few bytes, or some that are no whole word, is refused by every opener', () => {
    for (const length of [0, 1, 2, 3, 5, 63, 1023, 1025]) {
      const file = path(`${length} bytes`);
      writeFileSync(file, Buffer.alloc(length), { mode: 0o600 });
      const openers = [
        () => Ring.open(file),
        () => Channel.open({ path: file, capacity }),
        () => PayloadArena.open({ path: file }),
      ];
      for (const open of openers) {
        expect(thrown(open).code, `${length}`).to.be.oneOf(['ERR_CORRUPT', 'EINVAL']);
      }
    }
  });

  it('a private one is gone with its last user, by path too; renamed it is not ours', () => {
    for (const open of [(ring: Ring) => ring.handle, (ring: Ring) => ring.handle.path]) {
      const ring = Ring.create({ capacity });
      const other = Ring.open(open(ring));
      ring.close();
      expect(existsSync(ring.handle.path)).to.equal(true);
      other.close();
      expect(existsSync(ring.handle.path)).to.equal(false);
    }
    const ring = Ring.create({ capacity, directory: path('own') });
    renameSync(ring.handle.path, path('saved'));
    ring.close();
    Ring.open(path('saved')).close();
    expect(existsSync(path('saved'))).to.equal(true);
  });

  it('a path may be relative, a URL or bytes; the handle is good anywhere', () => {
    const former = process.cwd();
    for (const name of ['a', 'b']) mkdirSync(path(name));
    try {
      process.chdir(path('a'));
      const ring = Ring.create({ capacity, path: 'q.ring' });
      process.chdir(path('b'));
      writeFileSync('q.ring', "somebody else's");
      expect(ring.handle.path).to.equal(join(path('a'), 'q.ring'));
      const handle = JSON.parse(JSON.stringify(ring.handle)) as typeof ring.handle;
      Ring.open(handle).close();
      ring.close();
      process.chdir(path('a'));
      const relative = Ring.open('q.ring');
      process.chdir(path('b'));
      relative.close();
      expect(readFileSync('q.ring', 'utf8')).to.equal("somebody else's");
      expect(existsSync(path('a/q.ring'))).to.equal(true);
    } finally {
      process.chdir(former);
    }
    for (const name of [pathToFileURL(path('by url')), Buffer.from(path('by bytes'))]) {
      const ring = Ring.create({ capacity, path: name });
      expect(ring.handle.path).to.be.a('string');
      Ring.open(name).close();
      Ring.open(JSON.parse(JSON.stringify(ring.handle)) as typeof ring.handle).close();
      ring.close();
    }
  });

  it("what is no ring is not opened, and not removed: another's file, a channel", () => {
    // Even where it has a name of ours.
    for (const name of ['notes', `ring-${'cd'.repeat(12)}`]) {
      const file = path(name);
      writeFileSync(file, Buffer.alloc(8192, 'x'), { mode: 0o600 });
      for (const handle of [file, { path: file, capacity }]) {
        expect(thrown(() => Ring.open(handle)).code).to.equal('ERR_CORRUPT');
      }
      expect(readFileSync(file)).to.deep.equal(Buffer.alloc(8192, 'x'));
    }
    const channel = Channel.create({ capacity });
    const { handle } = channel as unknown as { handle: { path: string; capacity: number } };
    const error = thrown(() => Ring.open(handle));
    expect(error).to.include({ code: 'ERR_INVALID_ARG', address: handle.path });
    expect(error.message).to.contain('Channel.open');
    const other = Channel.open(handle);
    return Promise.all([channel.close(), other.close()]);
  });

  describe('while it is being made', () => {
    const { fstatSync } = fs;
    afterEach(() => {
      fs.fstatSync = fstatSync;
      syncBuiltinESMExports();
    });

    /** Has something happen at the n-th look at an open file's size. */
    function atLook(count: number, act: () => void): void {
      let looks = 0;
      fs.fstatSync = ((...args: Parameters<typeof fstatSync>) => {
        if (++looks === count) act();
        return fstatSync(...args);
      }) as typeof fstatSync;
      syncBuiltinESMExports();
    }

    it('an opener waits for it', () => {
      const file = path('made');
      writeFileSync(file, '', { mode: 0o600 });
      atLook(20, () => {
        const fd = openSync(file, 'r+');
        const { first, last } = keptEnds(Magic.ring, capacity);
        ftruncateSync(fd, size);
        writeSync(fd, last, 0, last.length, size - last.length);
        writeSync(fd, first, 0, first.length, 0);
        closeSync(fd);
      });
      Ring.open(file).close();
    });

    it('one that is never finished is reported as unfinished', () => {
      for (const length of [0, size]) {
        const file = path(`unfinished ${length}`);
        writeFileSync(file, Buffer.alloc(length), { mode: 0o600 });
        const error = thrown(() => Ring.open(file));
        expect(error.code).to.equal('ERR_CORRUPT');
        expect(error.message).to.match(length === 0 ? /an empty file/ : /still being made/);
      }
    });
  });

  it('a file that is too long is refused before it is mapped, and costs no memory', () => {
    for (const length of [2 ** 31 + 2048, 5 * 2 ** 30]) {
      const file = join(process.env.MMAP_TRANSPORT_DIR!, `ring-${'ef'.repeat(12)}`);
      writeFileSync(file, '', { mode: 0o600 });
      truncateSync(file, length);
      const code = length > maxLength ? 'ERR_OUT_OF_RANGE' : 'ERR_CORRUPT';
      for (const open of [
        () => Ring.open(file),
        () => Ring.open({ path: file, capacity }),
        () => Channel.open({ path: file, capacity }),
      ]) {
        if (!existsSync(file)) {
          writeFileSync(file, '', { mode: 0o600 });
          truncateSync(file, length);
        }
        expect(thrown(open).code).to.equal(code);
        // At most the page of the header was touched.
        if (existsSync(file)) expect(statSync(file).blocks).to.be.at.most(16);
      }
      fs.rmSync(file, { force: true });
    }
  });
});
