import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  readdirSync,
  statfsSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { openFile, openMem, Ring } from '../../src/index.js';
import { sibling } from '../support/processes.js';
import { thrown } from '../support/errors.js';
import { collect, scratch, skip } from './support.js';

const size = 4 << 20;
const module = sibling(import.meta.url, '../../src/index.js');

describe('A full file system', function () {
  const path = scratch();

  describe('of 4 MiB in memory', () => {
    let full: string;
    let mounted = false;
    before(function () {
      full = path('full');
      mkdirSync(full, { mode: 0o700 });
      const options = `size=${size},mode=0700`;
      mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'none', full]).status === 0;
      if (!mounted) skip(this, 'this user may not mount a tmpfs');
    });
    after(async () => {
      await collect();
      if (mounted) expect(spawnSync('umount', [full]).status, 'nothing holds it').to.equal(0);
    });

    const free = () => {
      const { bavail, bsize } = statfsSync(full);
      return bavail * bsize;
    };

    it('openMem and rings say what was wanted and what is free, and leave no file', () => {
      const room = free();
      for (const make of [
        () => openMem({ bytes: 2 * size, directory: full }),
        () => Ring.create({ capacity: 2 * size, directory: full }),
      ]) {
        const error = thrown(make);
        expect(error.code).to.equal('ENOSPC');
        expect(error.address).to.match(/full\/(mem|ring)-/);
        expect(error.message)
          .to.match(/wanted 8\d{6} bytes/)
          .and.to.contain(`${room} are free`);
        expect(readdirSync(full)).to.deep.equal([]);
        expect(free(), 'no block is kept').to.equal(room);
      }
      openMem({ bytes: size / 2, directory: full }).close();
    });

    it('a closed ring gives its memory back at once, to the hundredth', () => {
      const room = free();
      for (let round = 0; round < 100; round++) {
        const ring = Ring.create({ capacity: 1 << 20, directory: full });
        const other = Ring.open(ring.handle);
        const producer = ring.producer();
        const consumer = other.consumer();
        producer.tryWrite(Buffer.alloc(500_000, 1));
        producer.tryWrite(Buffer.alloc(10, 2));
        expect(consumer.drain(() => {})).to.equal(2);
        ring.close();
        other.close();
        expect(free()).to.equal(room);
      }
    });

    it('a ring that is closed by its reader shows the record until that is done with it', () => {
      const room = free();
      const ring = Ring.create({ capacity: 1 << 20, directory: full });
      const producer = ring.producer();
      const consumer = ring.consumer();
      for (let i = 0; i < 3; i++) producer.tryWrite(Buffer.alloc(10_000, 7));
      const seen = consumer.drain((bytes, offset, length) => {
        ring.close();
        expect([...new Set(bytes.subarray(offset, offset + length))]).to.deep.equal([7]);
      });
      expect(seen).to.equal(1);

      const lending = Ring.create({ capacity: 1 << 20, directory: full });
      lending.producer().tryWrite(Buffer.alloc(10_000, 7));
      const record = lending.consumer().borrow()!;
      lending.close();
      expect([...new Set(record.bytes)]).to.deep.equal([7]);
      expect(room - free(), 'held until they are collected').to.be.above(0);
    });

    it('what is free is that of the file system that a link leads to', () => {
      const link = path('link');
      symlinkSync(join(full, 'far'), link);
      for (const made of [false, true]) {
        const error = thrown(() =>
          openFile(link, { access: 'read-write', create: true, size: 2 * size }),
        );
        expect(error.message).to.contain(`${free()} are free`);
        expect(readdirSync(full)).to.deep.equal(made ? ['far'] : []);
        if (!made) writeFileSync(join(full, 'far'), 'text');
        else expect(statSync(join(full, 'far')).size).to.equal(4);
      }
      unlinkSync(join(full, 'far'));
    });

    it('a store into a hole for which there is no room is ENOSPC at the next call', () => {
      const sparse = join(full, 'sparse');
      writeFileSync(sparse, '');
      truncateSync(sparse, 2 * size);
      const file = openFile(sparse, { access: 'read-write' });
      file.bytes.fill(1);
      expect(thrown(() => file.at(0))).to.include({ code: 'ENOSPC', operation: 'file.at' });
      expect(thrown(() => file.sync()).message).to.contain('full');
      file.close();
      unlinkSync(sparse);
    });

    it('openFile leaves no file that it made', () => {
      const made = join(full, 'made');
      const error = thrown(() =>
        openFile(made, { access: 'read-write', create: true, size: 2 * size }),
      );
      expect(error).to.include({ code: 'ENOSPC', address: made });
      expect(error.message).to.contain(`wanted ${2 * size} bytes`);
      expect(readdirSync(full)).to.deep.equal([]);
    });

    it('openFile leaves a file that was there as long as it was', () => {
      const kept = join(full, 'kept');
      writeFileSync(kept, 'kept');
      const error = thrown(() =>
        openFile(kept, { access: 'read-write', create: true, size: 2 * size }),
      );
      expect(error.code).to.equal('ENOSPC');
      expect(statSync(kept).size).to.equal(4);
    });
  });

  // Unlike a tmpfs, ext4 keeps what a call has reserved until there was no more.
  it('that keeps what it has reserved: a file that cannot be grown is as it was', async function () {
    const image = path('image');
    const disk = path('disk');
    mkdirSync(disk);
    writeFileSync(image, '');
    truncateSync(image, 32 << 20);
    const made = spawnSync('mkfs.ext4', ['-q', image]).status === 0;
    if (!made || spawnSync('mount', ['-o', 'loop', image, disk]).status !== 0) {
      skip(this, 'no ext4 can be made or mounted here');
    }
    try {
      const kept = join(disk, 'kept');
      writeFileSync(kept, 'kept');
      const look = () => {
        const { size: bytes, blocks } = statSync(kept);
        return { bytes, blocks, free: statfsSync(disk).bfree };
      };
      const before = look();
      const grow = { access: 'read-write', create: true, size: 64 << 20 } as const;
      expect(thrown(() => openFile(kept, grow)).code).to.equal('ENOSPC');
      expect(thrown(() => openFile(join(disk, 'new'), grow)).code).to.equal('ENOSPC');
      expect(look()).to.deep.equal(before);
      openFile(kept, { ...grow, size: 1 << 20 }).close();
      expect(statSync(kept)).to.have.property('size', 1 << 20);
      await collect();
    } finally {
      expect(spawnSync('umount', [disk]).status, 'nothing holds it').to.equal(0);
    }
  });

  describe('by a limit on the size of files', () => {
    /** Runs where no file may be longer than 1 MiB. */
    function limited(call: string): { code: string; message: string } {
      const script = `import * as m from ${JSON.stringify(module)};
        try { ${call}; console.log('{}'); } catch ({ code, message }) {
          console.log(JSON.stringify({ code, message }));
        }`;
      const child = spawnSync(
        'sh',
        [
          '-c',
          'ulimit -f 2048; exec "$@"',
          'sh',
          process.execPath,
          '--input-type=module',
          '-e',
          script,
        ],
        { encoding: 'utf8' },
      );
      expect(child.signal, 'no signal ends it').to.equal(null);
      expect(child.stderr).to.equal('');
      return JSON.parse(child.stdout) as { code: string; message: string };
    }

    it('is EFBIG with the size wanted, and leaves no file', () => {
      const { code, message } = limited(`m.openMem({ bytes: ${size} })`);
      expect(code).to.equal('EFBIG');
      expect(message).to.contain(`wanted ${size} bytes`);
      const made = path('made');
      const options = `{ access: 'read-write', create: true, size: ${size} }`;
      expect(limited(`m.openFile(${JSON.stringify(made)}, ${options})`).code).to.equal('EFBIG');
      expect(readdirSync(path(''))).to.not.contain('made');
      expect(limited('m.openMem({ bytes: 4096 }).close()')).to.deep.equal({});
    });

    it('leaves a file that was there as it was, blocks included', () => {
      const kept = path('kept');
      writeFileSync(kept, 'kept');
      const look = () => {
        const { size: bytes, blocks } = statSync(kept);
        return { bytes, blocks };
      };
      const before = look();
      const options = `{ access: 'read-write', create: true, size: ${size} }`;
      expect(limited(`m.openFile(${JSON.stringify(kept)}, ${options})`).code).to.equal('EFBIG');
      expect(look()).to.deep.equal(before);
    });
  });
});
