import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { ShmError } from '../errors.js';

/**
 * Loads the addon: what was built in a clone, else the prebuilt one for this platform.
 *
 * @throws {ShmError} `ERR_UNSUPPORTED`, with what is missing and what to do
 */
export function loadAddon(): unknown {
  const require = createRequire(import.meta.url);
  const root = fileURLToPath(new URL('../../../', import.meta.url));
  let path: string | undefined;
  try {
    path = finder(require).path(root);
    return require(path);
  } catch (cause) {
    throw new ShmError('ERR_UNSUPPORTED', explain(path, root, cause), 'load', root, cause);
  }
}

interface Finder {
  path: (root: string) => string;
}

/** It looks at a file of /etc for the C library, which Node's permission model may forbid. */
function finder(require: NodeJS.Require): Finder {
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

function explain(path: string | undefined, root: string, cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  const { platform, arch, version, versions } = process;
  if (versions.electron !== undefined) {
    return (
      `Electron ${versions.electron} keeps JavaScript in a memory cage, where no shared memory ` +
      'of the system may be seen; use this package in a process of plain Node, started by ' +
      'child_process.fork with its execPath'
    );
  }
  if (code === 'ERR_ACCESS_DENIED' || code === 'ERR_DLOPEN_DISABLED') {
    return `Node's permission model forbids it; allow --allow-addons and --allow-fs-read=${root}`;
  }
  if (path === undefined) {
    return (
      `there is no addon for ${platform} ${arch}; the package brings those for linux x64 and ` +
      'arm64, darwin x64 and arm64, win32 x64. Elsewhere clone the repository and run ' +
      '`npm run setup`, which needs a C++ compiler'
    );
  }
  const needs = platform === 'linux' ? ', which needs glibc 2.28 or musl 1.2,' : '';
  return `the addon ${path}${needs} does not load in Node ${version}: ${message}`;
}
