import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { pathToFileURL } from 'node:url';
import { constants as bufferConstants } from 'node:buffer';
import { expect } from 'chai';
import { openFile } from '../../src/index.js';
import { random } from '../support/traffic.js';
import { thrown } from '../support/errors.js';
import { holdsOf, scratch } from './support.js';

const text = Buffer.from('The quick brown fox jumps over the lazy dog.');

describe('openFile', () => {
  const path = scratch();
  let file: string;
  before(() => {
    file = path('text');
    writeFileSync(file, text);
  });

  it('maps a file whole and read-only, by path or URL', () => {
    for (const name of [file, pathToFileURL(file)]) {
      using mapped = openFile(name);
      expect(mapped).to.include({
        length: text.length,
        writable: false,
        closed: false,
        path: file,
      });
      expect(Buffer.from(mapped.bytes).equals(text)).to.equal(true);
      expect(Buffer.from(new Uint8Array(mapped.buffer)).equals(text)).to.equal(true);
      expect(mapped.stat().size).to.equal(text.length);
      expect(mapped.stat().ino).to.equal(statSync(file).ino);
      expect(mapped.fd).to.be.above(2);
    }
  });

  it('starts and ends at any byte, in both views', () => {
    const big = path('big');
    const next = random(3);
    const content = Buffer.from(Array.from({ length: 50_000 }, () => next(256)));
    writeFileSync(big, content);
    for (let round = 0; round < 200; round++) {
      const offset = next(content.length + 1);
      const length = next(content.length - offset + 1);
      using mapped = openFile(big, { offset, length });
      const wanted = content.subarray(offset, offset + length);
      expect(wanted.equals(mapped.bytes), `bytes at ${offset}, ${length}`).to.equal(true);
      const shared = Buffer.from(mapped.buffer);
      expect(wanted.equals(shared), `buffer at ${offset}, ${length}`).to.equal(true);
    }
    using rest = openFile(big, { offset: 4097 });
    expect(rest.length).to.equal(content.length - 4097);
    expect(thrown(() => openFile(big, { offset: 50_001 })).code).to.equal('ERR_OUT_OF_RANGE');
    expect(thrown(() => openFile(big, { offset: 1, length: 50_000 })).message).to.contain('49999');
  });

  it('writes into the file, and sees what others write', () => {
    const shared = path('shared');
    writeFileSync(shared, 'hello world');
    using mapped = openFile(shared, { access: 'read-write' });
    expect(mapped.writable).to.equal(true);
    mapped.bytes.set(Buffer.from('HELLO'));
    expect(readFileSync(shared, 'utf8')).to.equal('HELLO world');
    const fd = openSync(shared, 'r+');
    writeSync(fd, 'WORLD', 6);
    closeSync(fd);
    expect(Buffer.from(mapped.buffer).toString()).to.equal('HELLO WORLD');
  });

  it('keeps the changes of a copy-on-write mapping from the file', () => {
    const original = path('original');
    writeFileSync(original, 'original', { mode: 0o400 });
    using mapped = openFile(original, { access: 'copy-on-write' });
    using other = openFile(original);
    expect(mapped.writable).to.equal(true);
    mapped.write(Buffer.from('changed!'));
    expect(Buffer.from(mapped.bytes).toString()).to.equal('changed!');
    expect(Buffer.from(other.bytes).toString()).to.equal('original');
    expect(readFileSync(original, 'utf8')).to.equal('original');
  });

  it('maps an empty file as length 0, and leaks nothing', () => {
    const empty = path('empty');
    writeFileSync(empty, '');
    const mapped = openFile(empty);
    expect(mapped.length).to.equal(0);
    expect(mapped.bytes).to.have.length(0);
    expect(mapped.buffer.byteLength).to.equal(0);
    expect(mapped.read(Buffer.alloc(4))).to.equal(0);
    expect(mapped.readByte()).to.equal(-1);
    expect(mapped.resident()).to.have.length(0);
    expect(mapped.stat().size).to.equal(0);
    mapped.sync();
    mapped.lock();
    mapped.advise('willneed');
    expect(thrown(() => mapped.at(0)).code).to.equal('ERR_OUT_OF_RANGE');
    expect(holdsOf(empty).descriptors).to.equal(1);
    mapped.close();
    expect(holdsOf(empty)).to.deep.equal({ descriptors: 0, mappings: 0 });
    expect(thrown(() => mapped.bytes).code).to.equal('ERR_CLOSED');
  });

  it('makes a missing file only when asked, with its size and mode', () => {
    const made = path('made');
    expect(thrown(() => openFile(made)).code).to.equal('ENOENT');
    expect(thrown(() => openFile(made, { access: 'read-write' })).code).to.equal('ENOENT');
    expect(existsSync(made)).to.equal(false);
    openFile(made, { access: 'read-write', create: true, size: 10_000, mode: 0o640 }).close();
    expect(statSync(made).size).to.equal(10_000);
    expect(statSync(made).mode & 0o777).to.equal(0o640);
    expect(statSync(made).blocks * 512, 'blocks are reserved').to.be.at.least(10_000);
    writeFileSync(made, 'kept');
    using again = openFile(made, { access: 'read-write', create: true });
    expect(Buffer.from(again.bytes).toString()).to.equal('kept');
    const exclusive = { access: 'read-write', create: 'exclusive' } as const;
    expect(thrown(() => openFile(made, exclusive)).code).to.equal('EEXIST');
    expect(readFileSync(made, 'utf8')).to.equal('kept');
    openFile(path('new'), exclusive).close();
    expect(statSync(path('new')).mode & 0o777).to.equal(0o600);
  });

  it('follows a symbolic link, makes what it points to, and tells a loop', () => {
    symlinkSync(file, path('link'));
    using mapped = openFile(path('link'));
    expect(mapped.length).to.equal(text.length);
    symlinkSync(path('target'), path('dangling'));
    expect(thrown(() => openFile(path('dangling'))).code).to.equal('ENOENT');
    openFile(path('dangling'), { access: 'read-write', create: true, size: 5 }).close();
    expect(statSync(path('target')).size).to.equal(5);
    symlinkSync(path('loop'), path('loop'));
    expect(thrown(() => openFile(path('loop'))).code).to.equal('ELOOP');
  });

  it('makes a shorter file longer, never a longer one shorter', () => {
    const grown = path('grown');
    writeFileSync(grown, 'abc');
    using mapped = openFile(grown, { access: 'read-write', size: 8192 });
    expect(mapped.length).to.equal(8192);
    expect(Buffer.from(mapped.bytes.subarray(0, 4)).toString()).to.equal('abc\0');
    using same = openFile(grown, { access: 'read-write', size: 10 });
    expect(same.length).to.equal(8192);
  });

  it('reaches beyond 4 GiB as far as this Node addresses, else says the limit', () => {
    const sparse = path('sparse');
    const end = 6 * 2 ** 30;
    writeFileSync(sparse, '');
    truncateSync(sparse, end);
    {
      using tail = openFile(sparse, { access: 'read-write', offset: 5 * 2 ** 30 + 3 });
      expect(tail.length).to.equal(2 ** 30 - 3);
      tail.writeAt(Buffer.from('tail'), tail.length - 4);
    }
    if (bufferConstants.MAX_LENGTH < end) {
      const error = thrown(() => openFile(sparse));
      expect(error.code).to.equal('ERR_OUT_OF_RANGE');
      expect(error.message).to.contain(String(bufferConstants.MAX_LENGTH));
      return;
    }
    using whole = openFile(sparse);
    expect(whole.length).to.equal(end);
    expect(whole.buffer.byteLength).to.equal(end);
    const last = Buffer.alloc(8);
    expect(whole.readAt(last, end - 4)).to.equal(4);
    expect(last.toString('latin1')).to.equal('tail\0\0\0\0');
    expect(whole.at(end - 1)).to.equal('l'.charCodeAt(0));
    expect(whole.seek(-4, 'end')).to.equal(end - 4);
    expect(whole.readByte()).to.equal('t'.charCodeAt(0));
  });

  describe('says of what is no plain file what it is', () => {
    it('a directory', () => {
      for (const access of ['read', 'read-write'] as const) {
        expect(thrown(() => openFile(path(''), { access })).code).to.equal('EISDIR');
      }
    });

    it('a FIFO, without waiting for its other end', () => {
      execFileSync('mkfifo', [path('fifo')]);
      for (const access of ['read', 'read-write'] as const) {
        const error = thrown(() => openFile(path('fifo'), { access }));
        expect(error.code).to.equal('EINVAL');
        expect(error.message).to.contain('FIFO');
      }
    });

    it('a socket', async () => {
      const server = createServer().listen(path('socket'));
      await once(server, 'listening');
      const error = thrown(() => openFile(path('socket')));
      server.close();
      expect(error.code).to.equal('EINVAL');
      expect(error.message).to.contain('socket');
    });

    it('a device', () => {
      for (const device of ['/dev/null', '/dev/zero']) {
        const error = thrown(() => openFile(device));
        expect(error.code).to.equal('EINVAL');
        expect(error.message).to.contain('character device').and.to.contain(device);
      }
    });

    it('a path through a file, and one too long', () => {
      expect(thrown(() => openFile(`${file}/below`)).code).to.equal('ENOTDIR');
      expect(thrown(() => openFile(path('x'.repeat(300)))).code).to.equal('ENAMETOOLONG');
    });
  });

  it('refuses bad arguments and changes nothing', () => {
    const bad: [unknown, unknown, string][] = [
      [5, {}, 'ERR_INVALID_ARG'],
      ['', {}, 'ERR_INVALID_ARG'],
      ['a\0b', {}, 'ERR_INVALID_ARG'],
      [file, { access: 'write' }, 'ERR_INVALID_ARG'],
      [file, { create: 'yes', access: 'read-write' }, 'ERR_INVALID_ARG'],
      [file, { create: true }, 'ERR_INVALID_ARG'],
      [file, { size: 10 }, 'ERR_INVALID_ARG'],
      [file, { size: 10, access: 'copy-on-write' }, 'ERR_INVALID_ARG'],
      [file, { offset: '1' }, 'ERR_INVALID_ARG'],
      [file, { offset: -1 }, 'ERR_OUT_OF_RANGE'],
      [file, { length: 1.5 }, 'ERR_OUT_OF_RANGE'],
      [file, { length: Number.NaN }, 'ERR_OUT_OF_RANGE'],
      [file, { offset: 2 ** 60 }, 'ERR_OUT_OF_RANGE'],
    ];
    const before = holdsOf(file);
    for (const [name, options, code] of bad) {
      const error = thrown(() => openFile(name as string, options as object));
      expect(error.code, JSON.stringify(options)).to.equal(code);
    }
    expect(readFileSync(file).equals(text)).to.equal(true);
    expect(holdsOf(file)).to.deep.equal(before);
  });

  it('names the path and the operation in an error', () => {
    const error = thrown(() => openFile('/no/such/file'));
    expect(error).to.include({ name: 'ShmError', code: 'ENOENT', operation: 'openFile' });
    expect(error.address).to.equal('/no/such/file');
    expect(error.message).to.match(/^ENOENT: .*openFile '\/no\/such\/file'$/);
    expect(error.cause).to.have.property('syscall', 'open');
  });

  it('works for hard links and in directories that are gone', () => {
    mkdirSync(path('dir'));
    linkSync(file, path('dir/hard'));
    const mapped = openFile(path('dir/hard'));
    execFileSync('rm', ['-r', path('dir')]);
    expect(Buffer.from(mapped.bytes).equals(text)).to.equal(true);
    mapped.close();
  });
});
