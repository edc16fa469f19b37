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
  const find = require('node-gyp-build') as { path: (root: string) => string };
  let path: string | undefined;
  try {
    path = find.path(root);
    return require(path);
  } catch (cause) {
    throw new ShmError('ERR_UNSUPPORTED', explain(path, cause as Error), 'load', root, cause);
  }
}

function explain(path: string | undefined, cause: Error): string {
  const { platform, arch, version, versions } = process;
  if (versions.electron !== undefined) {
    return (
      `Electron ${versions.electron} keeps JavaScript in a memory cage, where no shared memory ` +
      'of the system may be seen; use this package in a process of plain Node, started by ' +
      'child_process.fork with its execPath'
    );
  }
  if (path === undefined) {
    return (
      `there is no addon for ${platform} ${arch}; the package brings those for linux x64 and ` +
      'arm64, darwin x64 and arm64, win32 x64. Elsewhere clone the repository and run ' +
      '`npm run setup`, which needs a C++ compiler'
    );
  }
  const needs = platform === 'linux' ? ', which needs glibc 2.28 or musl 1.2,' : '';
  return `the addon ${path}${needs} does not load in Node ${version}: ${cause.message}`;
}
