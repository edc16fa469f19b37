import { constants, linkSync, openSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { dirname, join } from 'node:path';
import { addon } from './addon.js';
import { closeQuietly, removeQuietly } from './descriptors.js';
import { randomBytes } from './random.js';

/** A file to be made whole: it gets its name when it has its blocks and its content. */
interface NewFile<T> {
  readonly path: string;
  /** Permissions, less the process's umask. */
  readonly mode: number;
  /** Given a descriptor to read and write; where it throws, nothing is left of the file. */
  readonly fill: (fd: number) => T;
  /** Gives back what `fill` returned, if the file then cannot be named. */
  readonly undo: (filled: T) => void;
}

type Outcome<T> = { readonly filled: T } | 'exists' | 'unsupported';

/**
 * Makes a file whole or not at all. Nobody can open it before it is finished: if making it fails,
 * nobody else is using it, and a process that polls for the name never finds a part of it.
 *
 * Its name comes last: what its maker needs of it, such as a mapping, is for `fill` to make.
 *
 * @returns what `fill` gave; undefined: there is something of that name, also a symbolic link, and
 *   it was left alone
 * @throws what `fill` throws, and what `node:fs` does where it cannot be made there
 */
export function makeFile<T>(file: NewFile<T>): { readonly filled: T } | undefined {
  for (const way of [withoutName, underAnotherName, inPlace]) {
    const outcome = way(file);
    if (outcome === 'exists') return undefined;
    if (outcome !== 'unsupported') return outcome;
  }
  return undefined;
}

/** Linux's O_TMPFILE, which Node has no name for: nothing is left even of a killed process. */
const temporaryFile = 0o20000000 | constants.O_DIRECTORY;

function withoutName<T>(file: NewFile<T>): Outcome<T> {
  if (process.platform !== 'linux') return 'unsupported';
  const fd = openOr(dirname(file.path), constants.O_RDWR | temporaryFile, file.mode);
  if (fd === undefined) return 'unsupported';
  try {
    return linked(file, file.fill(fd), () => addon.linkFile(fd, file.path));
  } finally {
    closeQuietly(fd);
  }
}

/** A process that is killed meanwhile leaves a file whose name begins with a dot. */
function underAnotherName<T>(file: NewFile<T>): Outcome<T> {
  const { path, mode } = file;
  const draft = join(dirname(path), `.mmap-transport-${randomBytes(12).toString('hex')}`);
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
  const fd = openOr(draft, flags, mode);
  if (fd === undefined) return 'unsupported';
  try {
    let filled: T;
    try {
      filled = file.fill(fd);
    } finally {
      closeQuietly(fd);
    }
    return linked(file, filled, () => linkSync(draft, path));
  } finally {
    removeQuietly(draft);
  }
}

/**
 * On file systems without hard links, and where the permission model allows this file alone.
 * Anybody may be using a file that has a name, so it stays if `fill` fails.
 */
function inPlace<T>({ path, mode, fill }: NewFile<T>): Outcome<T> {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, mode);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return 'exists';
    throw cause;
  }
  try {
    return { filled: fill(fd) };
  } finally {
    closeQuietly(fd);
  }
}

/** Undefined if this way is closed; the last way, `inPlace`, throws the reason. */
function openOr(path: string, flags: number, mode: number): number | undefined {
  try {
    return openSync(path, flags, mode);
  } catch {
    return undefined;
  }
}

function linked<T>({ undo }: NewFile<T>, filled: T, link: () => void): Outcome<T> {
  try {
    link();
    return { filled };
  } catch (cause) {
    undo(filled);
    const { code, errno } = cause as NodeJS.ErrnoException;
    const exists = code === 'EEXIST' || (errno !== undefined && Math.abs(errno) === eexist);
    return exists ? 'exists' : 'unsupported';
  }
}

const eexist = osConstants.errno.EEXIST;
