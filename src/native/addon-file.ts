import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where users say where the addon is; see docs/bundlers.md. */
export const variable = 'MMAP_TRANSPORT_ADDON';

/** What the addon is called beside a bundle. */
export const besideBundle = 'mmap-transport.node';

/** This file, or the bundle that it became a part of. */
export const here = ownFile();

/** The package's folder, unless {@link isBundled}. */
export const root = join(dirname(here), '../../..');

/** Whether this was copied into another file, so that the addon does not lie where it did. */
export const isBundled = !isOurs(root);

/**
 * The addon's file: the one that `MMAP_TRANSPORT_ADDON` names; of a bundle, what lies beside it; else
 * what was built in a clone, else the prebuilt one for this platform.
 *
 * @throws {Error} where there is none
 */
export function addonFile(): string {
  const given = process.env[variable];
  if (given !== undefined && given !== '') return resolve(given);
  if (!isBundled) return finder().path(root);
  // The program's own folder too: bundlers write the place of the source for that of the bundle.
  for (const file of [here, process.argv[1] ?? here]) {
    const beside = join(dirname(file), besideBundle);
    if (existsSync(beside)) return beside;
  }
  throw new Error(`no ${besideBundle} beside ${here}`);
}

declare const __filename: string;

function ownFile(): string {
  // Empty in what esbuild makes of it for CommonJS.
  const url = import.meta.url as string | undefined;
  if (url?.startsWith('file:')) return fileURLToPath(url);
  return typeof __filename === 'string' ? resolve(__filename) : process.execPath;
}

function isOurs(folder: string): boolean {
  try {
    const { name } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
      name?: unknown;
    };
    return name === 'mmap-transport';
  } catch (error) {
    // Node's permission model may not let it be read: then the addon will not load either.
    return (error as NodeJS.ErrnoException).code === 'ERR_ACCESS_DENIED';
  }
}

interface Finder {
  path: (root: string) => string;
}

/** It looks at a file of /etc for the C library, which Node's permission model may forbid. */
function finder(): Finder {
  const require = createRequire(here);
  const name = 'node-gyp-build';
  try {
    return require(name) as Finder;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_ACCESS_DENIED') throw cause;
  }
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  process.env.LIBC = header.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
  try {
    return require(name) as Finder;
  } finally {
    delete process.env.LIBC;
  }
}
