import { existsSync, mkdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { Ring } from '../../src/index.js';
import { Counter, Field, layoutVersion, Magic } from '../../src/transport/ring/layout.js';
import { outcome, startAlone } from '../support/processes.js';
import { script, run, list, stat, startPeer, workDirectory } from './support.js';

describe('The command, where something is wrong', () => {
  const directory = workDirectory();

  it('one file that makes no sense hides no other, nor does one that is no file', async () => {
    const regions = process.env.MMAP_TRANSPORT_DIR!;
    const { names } = await startPeer();
    const put = (letter: string, bytes: Uint8Array) => {
      const path = join(regions, `ring-${letter.repeat(24)}`);
      writeFileSync(path, bytes, { mode: 0o600 });
      return path;
    };
    const headers = [
      [Magic.ring],
      [Magic.ring, 99, 4096],
      [Magic.ring, layoutVersion, 1 << 30, ...Array<number>(2000).fill(0)],
      [Magic.stream, layoutVersion, 4096, ...Array<number>(1277).fill(0)],
      [0],
    ];
    const wrong = headers.map((words, i) =>
      put('abcde'[i]!, new Uint8Array(Int32Array.from(words).buffer)),
    );
    {
      using ring = Ring.create({ capacity: 4096, path: join(regions, `ring-${'f'.repeat(24)}`) });
      new Float64Array(ring.buffer)[Counter.recordsWritten] = NaN;
      new Int32Array(ring.buffer)[Field.tail] = 1 << 30; // beyond its capacity
      expect((await run('stat', ring.handle.path)).stderr).to.match(/^ERR_CORRUPT: ring 1 /);
      wrong.push(ring.handle.path);
    }
    const empty = join(regions, `ring-${'0'.repeat(24)}`);
    mkdirSync(empty);
    const looks = await list();
    for (const path of wrong) {
      const found = looks.find(look => look.path === path);
      expect(found, path).to.include({ kind: 'unknown' });
      expect(found!.problem).to.match(/^ERR_CORRUPT|^ERR_VERSION/);
      rmSync(path);
    }
    expect(looks.map(({ name }) => name)).to.include(names.ring);
    expect(looks.map(({ path }) => path)).not.to.include(empty);
    rmdirSync(empty);
  });

  it('makes no directory; says where one that was named is missing', async () => {
    const missing = join(directory(), 'missing');
    for (const args of [['ls'], ['stat', 'ring-'], ['top', '--count', '1'], ['reap']]) {
      const { code, stderr } = await run(...args, '--directory', missing);
      expect([code, stderr.split(',')[0]]).to.deep.equal([
        1,
        'ENOENT: expected a region directory',
      ]);
    }
    expect(existsSync(missing)).to.equal(false);
    const { stderr } = await run('ls', '--directory', script);
    expect(stderr).to.match(/^ERR_UNSAFE_DIRECTORY: expected a plain directory/);
  });

  it('tells what is wrong, changes nothing, and says so by its exit code', async () => {
    const { names } = await startPeer();
    const corrupt = join(process.env.MMAP_TRANSPORT_DIR!, `ring-${'0'.repeat(24)}`);
    writeFileSync(corrupt, Buffer.alloc(8192, 7), { mode: 0o600 });
    const problems: [args: string[], code: number, complaint: RegExp][] = [
      [['stat', 'nothing'], 1, /^ENOENT: expected the name of a region or the path of a ring/],
      [['stat', 'ring-'], 1, /^ERR_INVALID_ARG: .*got that of ring-/],
      [['stat', corrupt], 1, /^ERR_CORRUPT: expected the magic of a ring, a topic or an arena/],
      [['stat', script], 1, /^ERR_(CORRUPT|UNSAFE_FILE): /],
      [['stat', directory()], 1, /^ERR_UNSAFE_FILE: |^E\w+: /],
      [['stat'], 2, /missing required argument 'region'/],
      [['list'], 2, /unknown command 'list'/],
      [['ls', '--jsno'], 2, /unknown option '--jsno'/],
      [['top', '--interval', '0'], 2, /Expected a whole number from 1/],
      [['top', '--count', 'many'], 2, /Expected a whole number from 1/],
      [['bench', '--sizes', 'large'], 2, /--sizes: expected an integer/],
      [['bench', '--json', join(directory(), 'not', 'there')], 2, /^ENOENT: /],
      [['bench', '--render', join(directory(), 'not there')], 2, /^ENOENT: /],
    ];
    for (const [args, wanted, complaint] of problems) {
      const { code, stdout, stderr } = await run(...args);
      expect([code, stdout], args.join(' ')).to.deep.equal([wanted, '']);
      expect(stderr).to.match(complaint);
      expect(stderr).not.to.match(/ at .*\.js:\d/);
    }
    const found = (await list()).find(({ path }) => path === corrupt);
    expect(found).to.include({ kind: 'unknown', state: 'left over' });
    expect(found!.problem).to.match(/ERR_CORRUPT/);
    expect(await stat(names.ring)).to.include({ kind: 'ring' });
  });

  it('a directory that others may enter is refused', async () => {
    const open = join(directory(), 'open');
    mkdirSync(open, { mode: 0o755 });
    const { code, stderr } = await run('ls', '--directory', open);
    expect([code, stderr.split(':')[0]]).to.deep.equal([1, 'ERR_UNSAFE_DIRECTORY']);
  });

  it('ends quietly where nobody reads what it prints', async () => {
    await startPeer();
    const child = startAlone(script, ['ls', '--all']);
    child.stdout!.destroy();
    const { code, stderr } = await outcome(child);
    expect([code, stderr]).to.deep.equal([0, '']);
  });
});
