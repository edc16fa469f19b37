import { randomBytes } from 'node:crypto';
import { closeSync, constants, linkSync, openSync, rmSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { dirname, join } from 'node:path';
import { addon } from './addon.js';

/** A file to be made whole: it gets its name when it has its blocks and its content. */
interface NewFile {
  readonly path: string;
  /** Permissions, less the process's umask. */
  readonly mode: number;
  /** Given a descriptor to read and write; where it throws, nothing is left of the file. */
  readonly fill: (fd: number) => void;
}

type Outcome = 'made' | 'exists' | 'unsupported';

/**
 * Makes a file whole or not at all. Nobody can open it before it is finished, so nobody else's
 * use of it has to be undone where that fails; and a process that polls for the name never
 * finds a part of it.
 *
 * @returns false: there is something of that name, also a symbolic link, and it was left alone
 * @throws what `fill` throws, and what `node:fs` does where it cannot be made there
 */
export function makeFile(file: NewFile): boolean {
  for (const way of [withoutName, underAnotherName, inPlace]) {
    const outcome = way(file);
    if (outcome !== 'unsupported') return outcome === 'made';
  }
  return false;
}

/** Linux's O_TMPFILE, which Node has no name for: nothing is left even of a killed process. */
const temporaryFile = 0o20000000 | constants.O_DIRECTORY;

function withoutName({ path, mode, fill }: NewFile): Outcome {
  if (process.platform !== 'linux') return 'unsupported';
  const fd = openOr(dirname(path), constants.O_RDWR | temporaryFile, mode);
  if (fd === undefined) return 'unsupported';
  try {
    fill(fd);
    return linked(() => addon.linkFile(fd, path));
  } finally {
    closeSync(fd);
  }
}

/** A process that is killed meanwhile leaves a file whose name begins with a dot. */
function underAnotherName({ path, mode, fill }: NewFile): Outcome {
  const draft = join(dirname(path), `.mmap-transport-${randomBytes(12).toString('hex')}`);
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
  const fd = openOr(draft, flags, mode);
  if (fd === undefined) return 'unsupported';
  try {
    try {
      fill(fd);
    } finally {
      closeSync(fd);
    }
    return linked(() => linkSync(draft, path));
  } finally {
    rmSync(draft, { force: true });
  }
}

/**
 * On file systems without hard links, and where the permission model allows this file alone. What
 * has a name may be anybody's, and so it stays where `fill` fails.
 */
function inPlace({ path, mode, fill }: NewFile): Outcome {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, mode);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return 'exists';
    throw cause;
  }
  try {
    fill(fd);
    return 'made';
  } finally {
    closeSync(fd);
  }
}

/** Undefined where this way is closed; the last one tells why none is open. */
function openOr(path: string, flags: number, mode: number): number | undefined {
  try {
    return openSync(path, flags, mode);
  } catch {
    return undefined;
  }
}

function linked(link: () => void): Outcome {
  try {
    link();
    return 'made';
  } catch (cause) {
    const { code, errno } = cause as NodeJS.ErrnoException;
    const exists = code === 'EEXIST' || (errno !== undefined && Math.abs(errno) === eexist);
    return exists ? 'exists' : 'unsupported';
  }
}

const eexist = osConstants.errno.EEXIST;
