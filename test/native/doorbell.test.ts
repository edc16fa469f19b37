import { AsyncLocalStorage } from 'node:async_hooks';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  writeFileSync,
} from 'node:fs';
import { constants as codes } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { addon } from '../../src/native/addon.js';
import { reap } from '../../src/index.js';
import { Doorbell, DoorbellRinger } from '../../src/native/doorbell.js';
import { message, outcome, sibling, start, startProgram } from '../support/processes.js';
import { thrown } from '../support/errors.js';
import { scratch } from './support.js';

const peer = sibling(import.meta.url, './doorbell-peer.js');
const onWindows = process.platform === 'win32';
/** What a killed listener leaves. On Windows a bell is no file. */
const leftOf = (id: string) => (onWindows ? [] : [`bell-${id}`]);
const bells = () => readdirSync(process.env.MMAP_TRANSPORT_DIR!);

/** What a process of {@link peer} says. */
async function said(way: string): Promise<string[]> {
  const { stdout, stderr, code } = await outcome(startProgram(process.execPath, [peer, way]));
  expect(stderr).to.equal('');
  expect(code).to.equal(0);
  return stdout.trim().split(' ');
}

describe('A doorbell', () => {
  const path = scratch();

  /** Rings in one go, and gives what the bell's callback did until the last one's turn is over. */
  async function rung(tokens: number[], onRing: (token: number, bell: Doorbell) => void) {
    const bell = new Doorbell(token => onRing(token, bell));
    const ringer = new DoorbellRinger(bell.directory, bell.id);
    try {
      for (const token of tokens) expect(ringer.ring(token)).to.equal(true);
      bell.ref();
      await new Promise(resolve => setTimeout(resolve, 20));
    } finally {
      ringer.close();
      bell.close();
    }
  }

  it('hands out each number as a callback of its own: ticks and microtasks run between', async () => {
    // Windows hands them out by size, each once, and leaves those beyond to the sweep (ADR-0020).
    const tokens = onWindows ? [0, 7, 16_383] : [7, 0, 0xffffffff];
    const log: string[] = [];
    await rung(tokens, token => {
      log.push(`token ${token}`);
      void Promise.resolve().then(() => log.push('microtask'));
      process.nextTick(() => log.push('tick'));
    });
    expect(log).to.deep.equal(tokens.flatMap(token => [`token ${token}`, 'tick', 'microtask']));
  });

  it('what one callback throws is uncaught at once; the rest comes in the same turn', async () => {
    const log = await said('throws');
    const tokens = log.filter(word => /^(token|caught)/.test(word));
    expect(tokens).to.deep.equal(['token-1', 'caught-1', 'token-2', 'caught-2', 'token-3']);
    expect(log.indexOf('token-3')).to.be.lessThan(log.indexOf('turn-1'));
    for (const token of [1, 2, 3]) {
      expect(log).to.include.members([`tick-${token}`, `microtask-${token}`, `turn-${token}`]);
    }
  });

  it('null and undefined can be thrown as well', async () => {
    expect(await said('throws nothing')).to.deep.equal([
      ...['token-1', 'caught-null', 'token-2', 'caught-undefined'],
    ]);
  });

  it('an exception that nobody catches ends the process before the next number', async () => {
    const ended = await outcome(startProgram(process.execPath, [peer, 'throws, uncaught']));
    expect(ended).to.deep.include({ code: 1, signal: null, stdout: 'token-1\n' });
    expect(ended.stderr).to.contain('not caught');
  });

  it('closed within a callback, it hands out nothing more', async () => {
    const got: number[] = [];
    await rung([1, 2, 3], (token, bell) => {
      got.push(token);
      if (token === 2) bell.close();
    });
    expect(got).to.deep.equal([1, 2]);
    expect(bells()).to.deep.equal([]);
  });

  it('runs in no context: not that of its maker, not that of the one before', async () => {
    const storage = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    await storage.run('the maker', () =>
      rung([1, 2], token => {
        seen.push(storage.getStore());
        storage.enterWith(`number ${token}`);
      }),
    );
    expect(seen).to.deep.equal([undefined, undefined]);
  });

  it('leaves nothing where it could not be made', async () => {
    expect(await said('without descriptors')).to.deep.equal(['ShmError', 'EMFILE', '0']);
  });

  describe('of a killed process', () => {
    async function killed(): Promise<{ directory: string; id: Buffer }> {
      const child = start(peer, ['listens']);
      const [directory, id] = await message<[string, string]>(child);
      child.kill('SIGKILL');
      await once(child, 'exit');
      expect(bells()).to.deep.equal(leftOf(id));
      return { directory, id: Buffer.from(id, 'hex') };
    }

    it('is removed by the first that would ring it', async () => {
      const { directory, id } = await killed();
      const ringer = new DoorbellRinger(directory, id);
      expect(ringer.ring(1)).to.equal(false);
      expect(bells()).to.deep.equal([]);
      ringer.close();
    });

    it('is removed by a ringer that has it open, when that closes', async () => {
      const child = start(peer, ['listens']);
      const [directory, id] = await message<[string, string]>(child);
      const ringer = new DoorbellRinger(directory, Buffer.from(id, 'hex'));
      expect(ringer.ring(1)).to.equal(true);
      child.kill('SIGKILL');
      await once(child, 'exit');
      expect(bells()).to.deep.equal(leftOf(id));
      expect(ringer.ring(2)).to.equal(false);
      ringer.close();
      expect(bells()).to.deep.equal([]);
    });

    it('is reaped; one that is in use is not', async () => {
      const { id } = await killed();
      const mine = new Doorbell(() => {});
      const ringer = new DoorbellRinger(mine.directory, mine.id);
      expect(reap()).to.deep.equal(leftOf(id.toString('hex')));
      expect(ringer.ring(1)).to.equal(true);
      ringer.close();
      expect(bells()).to.have.lengthOf(onWindows ? 0 : 1);
      mine.close();
      expect(bells()).to.deep.equal([]);
    });
  });

  describe('is refused by name, and nothing is touched, where it', () => {
    const id = Buffer.alloc(12, 7);
    const name = `bell-${id.toString('hex')}`;

    function refuses(directory: string): void {
      const error = thrown(() => new DoorbellRinger(directory, id));
      expect(error).to.include({ code: 'EINVAL', operation: 'doorbell.open' });
    }

    it('has a NUL in it', () => {
      const victim = path('victim');
      if (onWindows) return refuses(`${victim}\0`);
      execFileSync('mkfifo', ['-m', '600', victim]);
      const fd = openSync(victim, constants.O_RDWR | constants.O_NONBLOCK);
      refuses(`${victim}\0`);
      expect(() => readSync(fd, Buffer.alloc(4))).to.throw(/EAGAIN/);
      closeSync(fd);
    });

    it('is relative', () => refuses('relative'));

    it('has another form', () => {
      for (const last of ['bell-', `bell-${'g'.repeat(24)}`, `bell-${'0'.repeat(25)}`, 'x']) {
        const open = () => new addon.DoorbellRinger(path(last));
        expect(open, last).to.throw().with.property('errno', codes.errno.EINVAL);
      }
    });

    it('is a plain file, a folder, or a FIFO that others may use', () => {
      for (const [index, make] of [
        (at: string) => writeFileSync(at, 'kept', { mode: 0o600 }),
        (at: string) => mkdirSync(at),
        (at: string) => (execFileSync('mkfifo', [at]), chmodSync(at, 0o622)),
      ].entries()) {
        const directory = path(`odd-${index}`);
        mkdirSync(directory);
        make(join(directory, name));
        refuses(directory);
        expect(readdirSync(directory)).to.deep.equal([name]);
      }
    });

    it('is missing: nobody listens', () => {
      // Another call's error is no longer there; in an addon with two kinds of errno it was.
      expect(() => addon.reserve(1 << 20, 1)).to.throw();
      const ringer = new DoorbellRinger(path(''), id);
      expect(ringer.ring(1)).to.equal(false);
      ringer.close();
    });
  });
});
