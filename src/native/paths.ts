import { readlinkSync } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { types } from 'node:util';
import { invalidArgument, ShmError, systemError } from '../errors.js';

/** What names a file, as in `node:fs`. A URL has the scheme `file:`. */
export type FilePath = string | URL | Uint8Array;

/**
 * The text of a path, as it was given.
 *
 * @throws {ShmError} `ERR_INVALID_ARG`: no path, a URL of another scheme, bytes that are no
 *   UTF-8, a null character
 */
export function pathText(operation: string, path: unknown): string {
  const text = typeof path === 'string' ? path : decode(operation, path);
  if (text !== undefined && text !== '' && !text.includes('\0')) return text;
  throw invalidArgument(operation, 'path', 'a path without null characters', path);
}

/**
 * The same, absolute: good in another process and after a change of directory. Nothing of it is
 * resolved, since `..` behind a symbolic link leads elsewhere than the text says.
 *
 * @throws {ShmError} as {@link pathText}; the errno name where the current directory is gone
 */
export function absolutePath(operation: string, path: unknown): string {
  const text = pathText(operation, path);
  if (isAbsolute(text)) return text;
  try {
    return process.platform === 'win32' ? resolve(text) : `${process.cwd()}/${text}`;
  } catch (cause) {
    throw systemError(cause, operation, text);
  }
}

/** As many symbolic links in a row as Linux follows. */
const mostLinks = 40;

/**
 * Where a path leads whose last part may be a symbolic link; there may be nothing there.
 *
 * @throws {ShmError} `ELOOP`
 */
export function resolveLinks(path: string): string {
  let at = path;
  for (let count = 0; count < mostLinks; count++) {
    let target: string;
    try {
      target = readlinkSync(at);
    } catch {
      return at; // no link: the end, or an error that opening it will report
    }
    // Not `join`: what is behind `..` depends on where the links before it lead to.
    at = isAbsolute(target) ? target : `${dirname(at)}/${target}`;
  }
  throw new ShmError('ELOOP', 'too many symbolic links', 'path', path);
}

function decode(operation: string, path: unknown): string | undefined {
  if (types.isUint8Array(path)) {
    const bytes = Buffer.from(path);
    const text = bytes.toString();
    if (Buffer.from(text).equals(bytes)) return text;
    throw invalidArgument(operation, 'path', 'a path in UTF-8', path);
  }
  // By its properties, as node:fs does: a URL of another realm is one too.
  const { href, protocol } = (path ?? {}) as Partial<URL>;
  if (typeof href !== 'string' || typeof protocol !== 'string') return undefined;
  try {
    return fileURLToPath(href);
  } catch (cause) {
    const error = invalidArgument(operation, 'path', `a file: URL of this machine`, href);
    throw Object.assign(error, { cause });
  }
}
