import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { addon } from '../../src/native/addon.js';
import { openMem, reap } from '../../src/index.js';
import { thrown } from '../support/errors.js';
import { scratch, skip } from './support.js';

const source = JSON.stringify(new URL('../../src/index.js', import.meta.url));
const isRoot = process.getuid?.() === 0 && process.platform === 'linux';

describe('The region directory', () => {
  const path = scratch();

  interface Ran {
    stdout: string;
    stderr: string;
  }

  /** Runs a program of this package in a process of its own, with other variables. */
  function run(code: string, env: NodeJS.ProcessEnv, prepare?: string, args: string[] = []): Ran {
    const wanted = { PATH: process.env.PATH, ...env };
    const program = `import { openMem, reap, Ring } from ${source}; ${code}`;
    const node = [process.execPath, '--input-type=module', '-e', program];
    const inShell = [...args, 'sh', '-c', `${prepare} && exec "$@"`, 'sh', ...node];
    const [command, ...rest] = prepare === undefined ? node : inShell;
    // Windows needs some of its own variables.
    const child = spawnSync(command!, rest, {
      encoding: 'utf8',
      env: process.platform === 'win32' ? { ...process.env, ...wanted } : wanted,
    });
    expect(child.status, child.stderr).to.equal(0);
    return child;
  }

  it('an empty MMAP_TRANSPORT_DIR is none', () => {
    const cwd = path('cwd');
    mkdirSync(cwd);
    const code = `process.chdir(${JSON.stringify(cwd)}); const mem = openMem();
      console.log((await import('node:fs')).readdirSync('.').length); mem.close();`;
    expect(run(code, { MMAP_TRANSPORT_DIR: '' }).stdout).to.equal('0\n');
  });

  it('is made with the directories that it lies in, and not by looking', () => {
    const home = path('some/where/deep');
    expect(reap(home)).to.deep.equal([]);
    expect(existsSync(path('some'))).to.equal(false);
    openMem({ directory: home }).close();
    expect(statSync(home).isDirectory()).to.equal(true);
  });

  it('what is no path is refused', () => {
    for (const directory of [5, '', null, new URL('file:///tmp'), 'a\0b'] as unknown as string[]) {
      expect(thrown(() => openMem({ directory })).operation).to.equal('openMem');
      expect(thrown(() => reap(directory)).code).to.match(/^ERR_INVALID_ARG/);
    }
  });

  describe('on Windows, by its access list', () => {
    /** Changes a mode from outside of Wine, which shows it as an access list; at once or soon. */
    async function chmod(mode: string, directory: string): Promise<void> {
      const args = ['/unix', '/bin/chmod', mode, unixPath(directory)];
      expect(spawnSync('start', args).status).to.equal(0);
      const isPrivate = mode.endsWith('0');
      while ((addon.findStranger(directory) === undefined) !== isPrivate) await delay(5);
    }
    const unixPath = (directory: string) =>
      spawnSync('winepath', ['-u', directory], { encoding: 'utf8' }).stdout.trim();
    before(function () {
      if (process.platform !== 'win32') skip(this, 'elsewhere modes say who may enter');
      if (spawnSync('winepath', ['-u', 'C:\\']).status !== 0) skip(this, 'not under Wine');
    });

    for (const mode of ['702', '704', '777']) {
      it(`one that others may enter with 0${mode} is refused, and works when they may not`, async () => {
        const home = path(`mode-${mode}`);
        mkdirSync(home);
        await chmod(mode, home);
        for (const call of [() => openMem({ directory: home }), () => reap(home)]) {
          const error = thrown(call);
          expect(error).to.include({ code: 'ERR_UNSAFE_DIRECTORY', address: home });
          expect(error.message).to.contain('got S-1-1-0 in its access list');
        }
        expect(readdirSync(home)).to.deep.equal([]);
        await chmod('700', home);
        openMem({ directory: home }).close();
      });
    }

    it('one that we make is for this user alone, whatever it lies in', async () => {
      const shared = path('shared');
      mkdirSync(shared);
      await chmod('777', shared);
      const home = join(shared, 'mine');
      openMem({ directory: home }).close();
      expect(addon.findStranger(shared)).to.equal('S-1-1-0');
      expect(addon.findStranger(home)).to.equal(undefined);
    });
  });

  describe('of the effective user', () => {
    before(function () {
      if (!isRoot) skip(this, 'only root can take another user');
    });

    it('is what a process uses that has taken another user', () => {
      const home = path('seteuid');
      mkdirSync(home, { mode: 0o700 });
      const code = `import { chownSync } from 'node:fs';
        const directory = ${JSON.stringify(home)};
        chownSync(directory, 65534, 65534);
        chownSync(${JSON.stringify(path(''))}, 65534, 65534);
        process.setegid(65534); process.seteuid(65534);
        const mem = openMem({ directory });
        openMem(mem.id, { directory }).close();
        const ring = Ring.create({ capacity: 4096, directory });
        Ring.open(ring.handle).close();
        console.log(ring.handle.path.startsWith(directory));`;
      expect(run(code, {}).stdout).to.equal('true\n');
    });
  });

  describe('where none was asked for', () => {
    const inNamespace = ['unshare', '-m'];
    const shm = '/dev/shm/mmap-transport-0';
    before(function () {
      const able = isRoot && spawnSync('unshare', ['-m', 'true']).status === 0;
      if (!able) skip(this, 'this user may not make mount namespaces');
      for (const name of ['run', 'tmp']) mkdirSync(path(name), { mode: 0o700 });
    });

    const env = () => ({ XDG_RUNTIME_DIR: path('run'), TMPDIR: path('tmp') });
    const squatted = `mount -t tmpfs none /dev/shm && mkdir -m 0700 ${shm} && chown 65534 ${shm}`;
    /** The file systems of /dev, but for shared memory. */
    const without =
      'mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && mknod -m 666 /dev/urandom c 1 9';

    const show = `
      import { readdirSync } from 'node:fs';
      import { once } from 'node:events';
      import { execFileSync } from 'node:child_process';
      import { Worker } from 'node:worker_threads';
      const ring = Ring.create({ capacity: 4096 });
      const mem = openMem();
      const worker = new Worker('import(' + JSON.stringify(${source}) + ').then(m => m.openMem().close())', { eval: true });
      await once(worker, 'exit');
      const other = execFileSync(process.execPath, ['--input-type=module', '-e', process.argv.at(-1)], { stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, ID: mem.id } });
      console.log(JSON.stringify({ path: ring.handle.path, other: String(other), reaped: reap(),
        left: readdirSync('/dev/shm', { recursive: true }).length }));`;
    const other = `import { openMem } from ${source}; console.log(openMem(process.env.ID).length);`;

    it('one that another user has made is left alone; all use the next place', () => {
      const code = show.replace('process.argv.at(-1)', JSON.stringify(other));
      const { stdout, stderr } = run(code, env(), squatted, inNamespace);
      expect(JSON.parse(stdout)).to.deep.include({ other: '4096\n', reaped: [], left: 1 });
      expect((JSON.parse(stdout) as { path: string }).path).to.match(
        /\/run\/mmap-transport-0\/ring-/,
      );
      expect(stderr.match(/ShmWarning/g), 'one warning').to.have.length(1);
      expect(stderr).to.contain(shm).and.to.contain('expected owner 0, got 65534');
      expect(readdirSync(path('run'))).to.deep.equal(['mmap-transport-0']);
      expect(readdirSync(path('tmp'))).to.deep.equal([]);
    });

    it('/dev/shm itself is never made', () => {
      const code = `const ring = Ring.create({ capacity: 4096 });
        console.log(ring.handle.path, (await import('node:fs')).existsSync('/dev/shm'));`;
      const { stdout } = run(code, { TMPDIR: path('tmp') }, without, inNamespace);
      expect(stdout).to.match(/\/tmp\/mmap-transport-0\/ring-[0-9a-f]{24} false\n$/);
      const asked = { MMAP_TRANSPORT_DIR: '/dev/shm/mine' };
      const refused = `try { openMem(); } catch (error) { console.log(error.name, error.code); }`;
      expect(run(refused, asked, without, inNamespace).stdout).to.equal('ShmError ENOENT\n');
    });

    it('where no place can be used, the error says which were tried, and what to do', () => {
      const code = `try { openMem(); } catch (error) { console.log(error.name, error.message); }`;
      const places = { XDG_RUNTIME_DIR: '/nowhere', TMPDIR: '/nowhere/either' };
      const { stdout, stderr } = run(code, places, squatted, inNamespace);
      expect(stdout).to.match(/^ShmError ERR_UNSAFE_DIRECTORY: /);
      expect(stdout).to.contain('/nowhere/either').and.to.contain('set MMAP_TRANSPORT_DIR');
      expect(stderr).to.equal('');
    });
  });
});
