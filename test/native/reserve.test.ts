import { spawnSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { cannotDeny, type Denied, startDenied } from '../support/denied.js';
import { outcome, sibling, startProgram } from '../support/processes.js';
import { scratch, skip } from './support.js';

const module = sibling(import.meta.url, '../../src/index.js');

describe('Blocks that are reserved', function () {
  const path = scratch();
  before(function () {
    if (process.platform !== 'linux') skip(this, 'only Linux has fallocate');
  });

  const program = (script: string) => [
    '--input-type=module',
    '-e',
    `import { openFile, openMem } from ${JSON.stringify(module)}; ${script}`,
  ];

  function needsStrace(ctx: Mocha.Context): void {
    const probe = spawnSync('strace', ['-f', '-o', '/dev/null', 'true']);
    if (probe.status !== 0) skip(ctx, 'no strace, or it may not trace here');
  }

  // The C library would write a byte into each block there, over what others store meanwhile.
  it('where the file system reserves none, the file grows, and nothing is written to it', async function () {
    needsStrace(this);
    const file = path('grown');
    const log = path('log');
    writeFileSync(file, 'kept');
    const script = `
      const file = openFile(${JSON.stringify(file)}, { access: 'read-write', create: true, size: 1 << 20 });
      console.log(file.length, Buffer.from(file.bytes.subarray(0, 4)).toString());
      file.close();`;
    const trace = 'fallocate,ftruncate,pwrite64,pwritev,pwritev2';
    const strace = ['-f', '-o', log, '-e', `trace=${trace}`];
    const inject = ['-e', 'inject=fallocate:error=EOPNOTSUPP'];
    const words = [...strace, ...inject, process.execPath, ...program(script)];
    const { stdout, code } = await outcome(startProgram('strace', words));
    expect([code, stdout]).to.deep.equal([0, `${1 << 20} kept\n`]);
    expect(statSync(file).size).to.equal(1 << 20);
    const lines = readFileSync(log, 'utf8');
    expect(lines).to.match(/fallocate\(.*INJECTED/);
    expect(lines).to.contain('ftruncate(');
    expect(lines).not.to.contain('pwrite');
  });

  /** Grows a file of 4 bytes to 1 MiB, where one kind of fallocate fails. */
  async function grown(ctx: Mocha.Context, mode: number, error: Denied['error']) {
    const reason = cannotDeny();
    if (reason !== undefined) skip(ctx, reason);
    const file = path(`mode-${mode}`);
    writeFileSync(file, 'kept');
    const script = `
      try {
        const options = { access: 'read-write', create: true, size: 1 << 20 };
        openFile(${JSON.stringify(file)}, options).close();
        console.log('grown');
      } catch ({ code }) {
        console.log(code);
      }`;
    const argument = { index: 1, from: mode, to: mode };
    const denied = { call: 'fallocate', error, argument } as const;
    const { stdout, code } = await outcome(startDenied(path(''), denied, program(script)));
    expect(code).to.equal(0);
    const { size, blocks } = statSync(file);
    return { said: stdout.trim(), size, isReserved: blocks * 512 >= size };
  }

  it('the length comes last, and stays where that fails', async function () {
    const { said, size } = await grown(this, 0, 'ENOSPC');
    expect({ said, size }).to.deep.equal({ said: 'ENOSPC', size: 4 });
  });

  it('where blocks can only be reserved together with the length, they are', async function () {
    const keepSize = 1;
    const expected = { said: 'grown', size: 1 << 20, isReserved: true };
    expect(await grown(this, keepSize, 'EOPNOTSUPP')).to.deep.equal(expected);
  });

  // There it takes two calls to grow a file, and the second may cut it. Here it comes late.
  it('where the file system reserves none, of two that grow a file neither cuts it', async function () {
    needsStrace(this);
    const peer = sibling(import.meta.url, './grow-peer.js');
    const trace = ['-f', '-o', path('log'), '-e', 'trace=fallocate,ftruncate'];
    const fail = ['-e', 'inject=fallocate:error=EOPNOTSUPP'];
    const delay = ['-e', 'inject=ftruncate:delay_enter=10000:when=1+2'];
    const words = [...trace, ...fail, ...delay, process.execPath, peer, path('raced'), '30'];
    const { stdout, code } = await outcome(startProgram('strace', words));
    expect([code, stdout]).to.deep.equal([0, '0 of 30 cut\n']);
  });

  // On most kernels a signal makes a tmpfs undo what a call has reserved so far, and a profiler
  // sends one every millisecond: a call for much would never end.
  it('where only a little is reserved before a signal comes, it goes on in pieces', async function () {
    const reason = cannotDeny();
    if (reason !== undefined) skip(this, reason);
    const argument = { index: 3, from: (1 << 20) + 1, to: 0xffffffff };
    const script = `
      const mem = openMem({ bytes: 64 << 20 });
      console.log(mem.length);
      mem.close();`;
    const denied = { call: 'fallocate', error: 'EINTR', argument } as const;
    const { stdout, code } = await outcome(startDenied(path(''), denied, program(script)));
    expect([code, stdout]).to.deep.equal([0, `${64 << 20}\n`]);
  });
});
