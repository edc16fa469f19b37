import { fork } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { openFile, Ring } from '../../src/index.js';
import { addon } from '../../src/native/addon.js';
import { thrown } from '../support/errors.js';
import { message, sibling } from '../support/processes.js';
import { scratch, skip } from './support.js';

const peer = sibling(import.meta.url, './undo-peer.js');

/** As the system says that there is no room. */
function noRoom(): never {
  throw Object.assign(new Error('no room'), { code: 'ENOSPC', errno: -28, syscall: 'fallocate' });
}

describe('What openFile undoes', () => {
  const path = scratch();
  const reserve = addon.reserve.bind(addon);
  let count = 0;
  let directory: string;
  let name: string;

  beforeEach(() => {
    directory = path(`d${count++}`);
    name = join(directory, 'file');
    mkdirSync(directory);
  });
  afterEach(() => {
    addon.reserve = reserve;
  });

  /** Has something happen instead of, or beside, the reserving of blocks. */
  function whileReserving(act: (fd: number, length: number) => void): void {
    addon.reserve = (fd, length) => {
      act(fd, length);
      return true;
    };
  }

  it('arguments are checked before a file is touched, or made', () => {
    let reserved = 0;
    whileReserving((fd, length) => (reserved++, reserve(fd, length)));
    writeFileSync(name, 'text');
    for (const options of [
      { size: 100, offset: 2 ** 40 },
      { size: 100, length: 101 },
      { size: 100, offset: 50, length: 51 },
      { size: 2 ** 52, length: 2 ** 53 - 1 },
    ]) {
      for (const create of [false, true, 'exclusive'] as const) {
        const target = create === 'exclusive' ? `${name}.new` : name;
        const error = thrown(() => openFile(target, { access: 'read-write', create, ...options }));
        expect(error.code).to.equal('ERR_OUT_OF_RANGE');
      }
    }
    expect(reserved).to.equal(0);
    expect(readFileSync(name, 'utf8')).to.equal('text');
    expect(readdirSync(directory)).to.deep.equal(['file']);
  });

  it('a file that cannot grow keeps what others have appended meanwhile', () => {
    writeFileSync(name, 'first\n');
    whileReserving(() => {
      appendFileSync(name, 'second\n');
      noRoom();
    });
    const error = thrown(() => openFile(name, { access: 'read-write', size: 5 }));
    expect(error).to.include({ code: 'ENOSPC', address: name });
    expect(readFileSync(name, 'utf8')).to.equal('first\nsecond\n');
  });

  it('a file that has grown, and then cannot be mapped, stays grown', () => {
    writeFileSync(name, 'text');
    const { Mapping } = addon;
    try {
      whileReserving((fd, length) => {
        reserve(fd, length);
        addon.Mapping = function () {
          throw Object.assign(new Error('no memory'), { code: 'ENOMEM' });
        } as unknown as typeof Mapping;
      });
      const error = thrown(() => openFile(name, { access: 'read-write', size: 8192 }));
      expect(error.code).to.equal('ENOMEM');
    } finally {
      addon.Mapping = Mapping;
    }
    expect(statSync(name).size).to.equal(8192);
  });

  it('a file gets its name when it is whole; what others make meanwhile is theirs', () => {
    for (const create of [true, 'exclusive'] as const) {
      const target = `${name}-${create}`;
      whileReserving(() => {
        expect(existsSync(target)).to.equal(false);
        writeFileSync(target, 'theirs');
        noRoom();
      });
      const options = { access: 'read-write', create, size: 8192 } as const;
      expect(thrown(() => openFile(target, options)).code).to.equal('ENOSPC');
      expect(readFileSync(target, 'utf8')).to.equal('theirs');
    }
    expect(readdirSync(directory)).to.have.length(2);
  });

  it('of two that make one file, the second opens it, or is told that it exists', () => {
    let made = false;
    whileReserving((fd, length) => {
      if (!made) writeFileSync(name, 'theirs');
      made = true;
      reserve(fd, length);
    });
    using mapped = openFile(name, { access: 'read-write', create: true, size: 4096 });
    expect(mapped.length).to.equal(4096);
    expect(Buffer.from(mapped.bytes.subarray(0, 6)).toString()).to.equal('theirs');
    made = false;
    name += '2';
    const options = { access: 'read-write', create: 'exclusive', size: 4096 } as const;
    expect(thrown(() => openFile(name, options)).code).to.equal('EEXIST');
    expect(readFileSync(name, 'utf8')).to.equal('theirs');
    expect(readdirSync(directory)).to.deep.equal(['file', 'file2']);
  });

  it('a link to nowhere: the file is made where it leads, and nothing is left of a failure', () => {
    mkdirSync(join(directory, 'elsewhere'));
    symlinkSync('elsewhere/second', join(directory, 'first'));
    symlinkSync('first', name);
    const options = { access: 'read-write', create: true, size: 4096 } as const;
    whileReserving(noRoom);
    expect(thrown(() => openFile(name, options)).code).to.equal('ENOSPC');
    expect(readdirSync(join(directory, 'elsewhere'))).to.deep.equal([]);
    addon.reserve = reserve;
    expect(thrown(() => openFile(name, { ...options, create: 'exclusive' })).code).to.equal(
      'EEXIST',
    );
    openFile(name, options).close();
    expect(lstatSync(name).isSymbolicLink()).to.equal(true);
    expect(statSync(join(directory, 'elsewhere/second')).size).to.equal(4096);
    symlinkSync('loop', join(directory, 'loop'));
    expect(thrown(() => openFile(join(directory, 'loop'), options)).code).to.equal('ELOOP');
  });

  it('a ring kept in a file appears whole, and not at all where there is no room', () => {
    whileReserving(() => {
      expect(existsSync(name)).to.equal(false);
      noRoom();
    });
    const error = thrown(() => Ring.create({ capacity: 4096, path: name }));
    expect(error).to.include({ code: 'ENOSPC', address: name });
    expect(readdirSync(directory)).to.deep.equal([]);
    addon.reserve = reserve;
    writeFileSync(name, 'theirs');
    expect(thrown(() => Ring.create({ capacity: 4096, path: name })).code).to.equal('EEXIST');
    expect(readFileSync(name, 'utf8')).to.equal('theirs');
  });

  it('of a process that is killed while it makes a file nothing is left', async function () {
    if (process.platform !== 'linux') skip(this, 'only Linux opens files without a name');
    const child = fork(peer, [name]);
    expect(await message(child)).to.equal('reserving');
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(readdirSync(directory)).to.deep.equal([]);
  });
});
