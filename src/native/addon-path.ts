/**
 * The path of the package's addon for this platform, for the script that builds a bundle.
 *
 * @category Reference
 * @module mmap-transport/addon
 */
import { findAddon } from './load.js';

/**
 * Where the addon for this platform lies, an absolute path. A program that is bundled together with
 * this package finds it again as `mmap-transport.node` beside the program, or where the variable
 * `MMAP_TRANSPORT_ADDON` says. Nothing is loaded.
 *
 * @returns the path of the file; what `MMAP_TRANSPORT_ADDON` says, where that is set
 * @throws {ShmError} `ERR_UNSUPPORTED` where the package has none for this platform
 * @example
 * import { copyFileSync } from 'node:fs';
 * import { addonPath } from 'mmap-transport/addon';
 *
 * copyFileSync(addonPath(), 'out/mmap-transport.node');
 */
export function addonPath(): string {
  return findAddon('addonPath');
}
