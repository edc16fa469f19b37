import { invalidArgument, outOfRange } from '../errors.js';
import { aBoolean, checkedLater, checkOptions, type Rule } from './arguments.js';

/** How {@link openFile} maps. Sizes and offsets are bytes. */
export interface MapOptions {
  /**
   * What the mapping is for. Changes of a 'copy-on-write' one are this mapping's own and
   * reach neither the file nor anybody else. @default 'read'
   */
  access?: 'read' | 'read-write' | 'copy-on-write';
  /** With 'read-write': make a missing file; 'exclusive': it must be missing. @default false */
  create?: boolean | 'exclusive';
  /** With 'read-write': make the file at least this long, its blocks reserved. @default 0 */
  size?: number;
  /** Permissions of a file that is made, less the process's umask. @default 0o600 */
  mode?: number;
  /** First byte, from 0 to the file's size; it needs no alignment. @default 0 */
  offset?: number;
  /** Bytes, at most to the file's end. @default to the file's end */
  length?: number;
  /** Enter all pages into the page table at once. @default false */
  prefault?: boolean;
  /** Keep all pages in memory: see {@link Mapped.lock}. @default false */
  lock?: boolean;
  /** Ask for huge pages, where the file system has them. @default false */
  hugePages?: boolean;
}

const rules: Record<keyof MapOptions, Rule> = {
  access: checkedLater,
  create: checkedLater,
  size: checkedLater,
  mode: checkedLater,
  offset: checkedLater,
  length: checkedLater,
  prefault: aBoolean,
  lock: aBoolean,
  hugePages: aBoolean,
};

/** Permissions, with the bits of `stat().mode` that say what kind of file it is, which do nothing. */
const mostMode = 0o177777;

const accesses: readonly unknown[] = ['read', 'read-write', 'copy-on-write'];

/** @throws {ShmError} `ERR_INVALID_ARG`, `ERR_OUT_OF_RANGE` */
export function checkMapOptions(operation: string, options: MapOptions): void {
  checkOptions(operation, options, rules);
  const { access = 'read', create, size, mode, offset, length } = options;
  if (!accesses.includes(access)) {
    throw invalidArgument(operation, 'access', "'read', 'read-write' or 'copy-on-write'", access);
  }
  if (create !== undefined && typeof create !== 'boolean' && create !== 'exclusive') {
    throw invalidArgument(operation, 'create', "a boolean or 'exclusive'", create);
  }
  if ((create || size !== undefined) && access !== 'read-write') {
    const option = create ? 'create' : 'size';
    throw invalidArgument(operation, 'access', `'read-write' with \`${option}\``, access);
  }
  for (const [name, value] of Object.entries({ size, mode, offset, length })) {
    if (value === undefined) continue;
    if (typeof value !== 'number') throw invalidArgument(operation, name, 'a number', value);
    if (!Number.isSafeInteger(value) || value < 0) {
      throw outOfRange(operation, name, 'a whole number of 0 or more', value);
    }
  }
  // Node ends the process over a mode of more than 31 bits.
  if (mode !== undefined && mode > mostMode) {
    throw outOfRange(operation, 'mode', 'a whole number from 0 to 0o7777', mode);
  }
}
