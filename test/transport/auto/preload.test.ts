import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { autoEntry } from '../../support/auto-entry.js';
import { outcome, startNode } from '../../support/processes.js';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const name = 'mmap-transport/auto';
autoEntry();
const environment = { ...process.env };
delete environment.NODE_OPTIONS;

/** Sends a hundred messages to a child and back. */
const program = (childOptions: object) => `
  const { fork } = require('node:child_process');
  if (process.argv[2] === 'child') {
    process.on('message', message => process.send(message + 1));
  } else {
    const child = fork(__filename, ['child'], ${JSON.stringify(childOptions)});
    child.on('message', message => {
      if (message === 100) child.kill();
      else if (message > 70) setTimeout(() => child.send(message), 5);
      else child.send(message);
    });
    child.on('exit', (code, signal) => console.log(code, signal, process.env.NODE_OPTIONS ?? ''));
    child.send(10);
  }`;

describe('loading mmap-transport/auto', function () {
  this.timeout(60_000);
  let directory: string;
  let file: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'mmap-transport-auto-'));
    file = join(directory, 'app.cjs');
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  /** Whether messages went through memory, as NODE_DEBUG says. */
  async function run(options: string[], env: NodeJS.ProcessEnv = {}, childOptions: object = {}) {
    writeFileSync(file, program(childOptions));
    const all = { ...environment, NODE_DEBUG: 'mmap-transport', ...env };
    const { stdout, stderr } = await outcome(
      startNode([...options, file], { cwd: root, env: all }),
    );
    expect(stdout, stderr).to.match(/^null SIGTERM/);
    return { stdout, stderr, isShared: /: messages go through /.test(stderr) };
  }

  it('works by --import, -r and --require, for children in any directory', async () => {
    const ways = [['--import', name], [`--import=${name}`], ['-r', name], [`--require=${name}`]];
    for (const way of ways) {
      expect((await run(way, {}, { cwd: '/' })).isShared, way.join(' ')).to.equal(true);
    }
  });

  it('works by NODE_OPTIONS, also for children with execArgv: []', async () => {
    for (const options of [`--import ${name}`, `--no-warnings -r ${name}`]) {
      const { isShared, stdout } = await run(
        [],
        { NODE_OPTIONS: options },
        { cwd: '/', execArgv: [] },
      );
      expect(isShared).to.equal(true);
      expect(stdout).to.contain('/dist/src/transport/auto/index.js');
    }
  });

  it('leaves alone children that have not loaded it', async () => {
    expect((await run(['--import', name], {}, { execArgv: [] })).isShared).to.equal(false);
  });

  it('is switched off by MMAP_TRANSPORT_AUTO=0', async () => {
    expect((await run(['--import', name], { MMAP_TRANSPORT_AUTO: '0' })).isShared).to.equal(false);
  });

  it('goes on over the socket where there can be no region', async () => {
    const env = { MMAP_TRANSPORT_DIR: '/dev/null' };
    const { isShared, stderr } = await run(['--import', name], env);
    expect(isShared).to.equal(false);
    expect(stderr).to.contain('goes on over the socket');
  });

  it('works on other versions of Node, between them too', async function () {
    const programs = (process.env.AUTO_NODES ?? '').split(':').filter(existsSync);
    if (programs.length === 0) return this.skip();
    for (const execPath of programs) {
      expect((await run(['--import', name], {}, { execPath })).isShared, execPath).to.equal(true);
    }
  });
});
