// Node for Windows, under Wine, which is installed from Debian if it is missing; own prefix.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cache, installFromDebian, nodeProgram, nodes } from './packages.mjs';

export class Wine {
  environment = {
    ...process.env,
    WINEPREFIX: join(cache, 'wine'),
    WINEDEBUG: '-all',
    // Neither Mono nor a browser, which it would ask for.
    WINEDLLOVERRIDES: 'mscoree=;mshtml=',
  };

  #umask = 0;

  /** @throws {Error} where there is no Wine and none can be installed */
  constructor() {
    this.program = nodeProgram(nodes[22], 'win-x64');
    if (spawnSync('wine', ['--version']).status !== 0) {
      installFromDebian('wine', 'wine', 'wine64');
    }
    // Wine shows modes as access lists: what tests make is for this user alone, as in a user's own
    // temporary directory of Windows. Its server makes the files, so an older one has to go.
    this.#umask = process.umask(0o077);
    this.#clear(); // what an interrupted run has left, too
    const ready = join(this.environment.WINEPREFIX, '.ready');
    if (existsSync(ready)) return;
    console.error('wine: makes its prefix');
    // Node asks for Windows 10.
    this.#run(['reg', 'add', 'HKCU\\Software\\Wine', '/v', 'Version', '/d', 'win10', '/f']);
    writeFileSync(ready, '');
  }

  /** Reaps the region directories of test runs that have ended. @returns what is left there */
  leftovers() {
    const script = `
      import { readdirSync } from 'node:fs';
      import { tmpdir } from 'node:os';
      import { join } from 'node:path';
      import { reap } from './dist/src/index.js';
      for (const name of readdirSync(tmpdir())) {
        if (!name.startsWith('mmap-transport-test-')) continue;
        const directory = join(tmpdir(), name);
        reap(directory);
        for (const file of readdirSync(directory)) console.log(file);
      }`;
    const args = [this.program, '--input-type=module', '-e', script];
    return this.#run(args, { PREBUILDS_ONLY: '1' }).split(/\r?\n/).filter(Boolean);
  }

  /** Ends everything that still runs in this prefix, and removes what tests left in it. */
  stop() {
    this.#clear();
    process.umask(this.#umask);
  }

  #clear() {
    spawnSync('wineserver', ['-k'], { env: this.environment });
    const users = join(this.environment.WINEPREFIX, 'drive_c/users');
    if (!existsSync(users)) return;
    for (const user of readdirSync(users)) {
      const temporary = join(users, user, 'Temp');
      if (!existsSync(temporary)) continue;
      for (const name of readdirSync(temporary)) {
        if (name.startsWith('mmap-transport-')) {
          rmSync(join(temporary, name), { recursive: true, force: true });
        }
      }
    }
  }

  #run(args, environment) {
    return execFileSync('wine', args, {
      env: { ...this.environment, ...environment },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 120_000,
    });
  }
}
