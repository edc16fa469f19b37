import Module from 'node:module';
import { ShmError } from '../errors.js';
import { addonFile, besideBundle, here, isBundled, root, variable } from './addon-file.js';

/**
 * Loads the addon.
 *
 * @throws {ShmError} `ERR_UNSUPPORTED`, with what is missing and what to do
 */
export function loadAddon(): unknown {
  const path = findAddon('load');
  try {
    // Not `createRequire` by its name, which webpack replaces.
    return Module.createRequire(here)(path);
  } catch (cause) {
    throw failure('load', path, cause);
  }
}

/** The path of the addon. @throws {ShmError} as {@link loadAddon} */
export function findAddon(operation: string): string {
  try {
    return addonFile();
  } catch (cause) {
    throw failure(operation, undefined, cause);
  }
}

function failure(operation: string, path: string | undefined, cause: unknown): ShmError {
  const place = isBundled ? here : root;
  return new ShmError('ERR_UNSUPPORTED', explain(path, cause), operation, place, cause);
}

function explain(path: string | undefined, cause: unknown): string {
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
  if (path === undefined && isBundled) return explainBundle();
  if (path === undefined) {
    return (
      `there is no addon for ${platform} ${arch}; the package brings those for linux x64 and ` +
      'arm64, darwin x64 and arm64, win32 x64. Elsewhere clone the repository and run ' +
      '`npm run setup`, which needs a C++ compiler'
    );
  }
  const named = process.env[variable] ? `, which ${variable} names,` : '';
  const needs = platform === 'linux' ? ', which needs glibc 2.28 or musl 1.2,' : '';
  return `the addon ${path}${named || needs} does not load in Node ${version}: ${message}`;
}

declare const __webpack_require__: unknown;

/** The bundler that can be recognized, and its line that leaves a package out; else some of them. */
function bundler(): { name: string; line: string } {
  if (process.env.NEXT_RUNTIME !== undefined) {
    return { name: 'Next.js', line: "`serverExternalPackages: ['mmap-transport']`" };
  }
  if (typeof __webpack_require__ === 'function') {
    const line =
      "webpack: `externals: { 'mmap-transport': 'module mmap-transport' }`; " +
      'ncc: `-e mmap-transport`';
    return { name: 'webpack or ncc', line };
  }
  const line =
    "esbuild: `--external:mmap-transport`; Rollup, Rolldown: `external: ['mmap-transport']`; " +
    "Vite: `ssr: { external: ['mmap-transport'] }`";
  return { name: 'a bundler', line };
}

function explainBundle(): string {
  const { name, line } = bundler();
  const beside =
    `copy the addon beside the program as ${besideBundle}, or set ${variable} to its path before the ` +
    'package is loaded (docs/bundlers.md)';
  if (isSingleExecutable()) return `a single executable has no addon in it: ${beside}`;
  return (
    `${name} has put this package into ${here}, and its addon was left behind. Leave the package ` +
    `out of the bundle (${line}); or ${beside}`
  );
}

function isSingleExecutable(): boolean {
  const sea = process.getBuiltinModule?.('node:sea') as { isSea?: () => boolean } | undefined;
  return sea?.isSea?.() ?? false;
}
