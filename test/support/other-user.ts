import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { sibling } from './processes.js';

/** A user who owns nothing. */
export const nobody = 65534;

/** What root puts before a command, so that this user runs it. */
export const asNobody = ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups'];

const root = sibling(import.meta.url, '../../../');
/** What a compiled file of the project needs to run. */
const parts = ['package.json', 'dist/src', 'dist/test', 'build/Release', 'prebuilds'];
const packages = ['node_modules/node-gyp-build'];
let copy: string | undefined;

/**
 * A compiled file of the project where every user can read it: in a copy, since a clone may lie
 * in a folder that others cannot enter. The copy goes when this process ends.
 */
export function readableByAll(path: string): string {
  copy ??= makeCopy();
  return join(copy, relative(root, path));
}

function makeCopy(): string {
  const home = mkdtempSync(join(tmpdir(), 'mmap-transport-readable-'));
  process.once('exit', () => rmSync(home, { recursive: true, force: true }));
  const isNeeded = (path: string) => statSync(path).isDirectory() || /\.(js|json|node)$/.test(path);
  for (const part of [...parts, ...packages].filter(one => existsSync(join(root, one)))) {
    cpSync(join(root, part), join(home, part), { recursive: true, filter: isNeeded });
  }
  chmodSync(home, 0o755);
  // Also where this user's files are made for nobody else.
  spawnSync('chmod', ['-R', 'a+rX', home]);
  return home;
}

/** Why no program can be run as {@link nobody}; undefined where it can. */
export function whyNotNobody(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    return 'only root can be another user too';
  }
  const [command, ...args] = [...asNobody, process.execPath, '--check'];
  const file = readableByAll(sibling(import.meta.url, './other-user.js'));
  const { status, error, stderr } = spawnSync(command, [...args, file], {
    cwd: '/',
    encoding: 'utf8',
  });
  if (status === 0) return undefined;
  return `another user cannot run this Node, or not from ${tmpdir()}: ${error?.message ?? stderr.trim()}`;
}
