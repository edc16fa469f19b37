import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const built = join(root, 'dist/src');
const time = (path: string) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/**
 * URL of the preload `mmap-transport/auto`. It loads a bundle, which is made anew here where it is
 * older than what was compiled: `npm run setup` makes it, the compiler alone does not.
 */
export function autoEntry(): string {
  const sources = readdirSync(built, { recursive: true, encoding: 'utf8' });
  const newest = Math.max(...sources.filter(isCompiled).map(path => time(join(built, path))));
  if (time(join(built, 'bundle/ring-traffic.cjs')) < newest) {
    execFileSync(process.execPath, ['scripts/bundle-auto.mjs'], { cwd: root });
  }
  return new URL('../../src/transport/auto/index.js', import.meta.url).href;
}

const isCompiled = (path: string) => path.endsWith('.js');
