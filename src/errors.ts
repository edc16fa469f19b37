import { constants } from 'node:os';

/** Codes of our own; failures of the system keep their errno name (`ENOSPC`, `ENOENT`, …). */
export type ShmErrorCode =
  | 'ERR_CLOSED'
  | 'ERR_CORRUPT'
  | 'ERR_ID_TAKEN'
  | 'ERR_INVALID_ARG'
  | 'ERR_NO_HANDLER'
  | 'ERR_NOT_RESERVED'
  | 'ERR_OUT_OF_RANGE'
  | 'ERR_PEER_CLOSED'
  | 'ERR_PEER_DIED'
  | 'ERR_PROTOCOL'
  | 'ERR_RELEASED'
  | 'ERR_RESERVED'
  | 'ERR_ROLE_TAKEN'
  | 'ERR_SHORT_WRITE'
  | 'ERR_TOO_LARGE'
  | 'ERR_TRUNCATED'
  | 'ERR_UNALIGNED'
  | 'ERR_UNKNOWN_PEER'
  | 'ERR_UNSAFE_DIRECTORY'
  | 'ERR_UNSAFE_FILE'
  | 'ERR_UNSUPPORTED'
  | 'ERR_USE_AFTER_FREE'
  | 'ERR_VERSION'
  | (string & {});

/**
 * The one error class of this package. The message reads like those of `node:fs`:
 * `CODE: what was expected and what was found, operation 'address'`.
 */
export class ShmError extends Error {
  /** A literal to switch on. */
  readonly code: ShmErrorCode;
  /** What was being done, e.g. `ring.open`. */
  readonly operation: string;
  /** The path or address it was done to, if there is one. */
  readonly address: string | undefined;
  /** With `ERR_SHORT_WRITE`: how many bytes fitted and are written. */
  declare readonly written?: number;

  constructor(
    code: ShmErrorCode,
    detail: string,
    operation: string,
    address?: string,
    cause?: unknown,
  ) {
    super(
      `${code}: ${detail}, ${operation}${address === undefined ? '' : ` '${address}'`}`,
      cause === undefined ? undefined : { cause },
    );
    this.code = code;
    this.operation = operation;
    this.address = address;
  }
}

// On the prototype, so that a printed error does not list it among its own properties.
Object.defineProperty(ShmError.prototype, 'name', { value: 'ShmError' });

/** Of two names for one number, the first, as Node says it itself: `EAGAIN`, `ENOTSUP`. */
const errnoNames = new Map(
  Object.entries(constants.errno)
    .map(([name, value]): [number, string] => [value, name])
    .reverse(),
);

/**
 * Turns what a system call threw, through `node:fs` or the addon, into a `ShmError`
 * that keeps its errno name and says what was being done.
 */
export function systemError(cause: unknown, operation: string, address?: string): ShmError {
  if (cause instanceof ShmError) return cause;
  const { code, errno, syscall, message } = cause as NodeJS.ErrnoException;
  const name = code ?? errnoNames.get(Math.abs(errno ?? 0)) ?? 'EUNKNOWN';
  const said = code === undefined ? `${syscall ?? message} failed` : message.replace(/^\w+: /, '');
  const hint = hints[name];
  const detail = hint === undefined ? said : `${said}: ${hint}`;
  return new ShmError(name, detail, operation, address, cause);
}

/** What says little by itself, and can come from anything that opens something. */
const hints: Record<string, string> = {
  EMFILE: 'this process has as many files open as it may (ulimit -n)',
  ENFILE: 'the system has as many files open as it may',
};

/** An argument of the wrong kind; nothing has been changed. */
export const invalidArgument = argumentError('ERR_INVALID_ARG');

/** An argument of the right kind beyond its bounds; nothing has been changed. */
export const outOfRange = argumentError('ERR_OUT_OF_RANGE');

function argumentError(code: ShmErrorCode) {
  return (operation: string, name: string, expected: string, got: unknown): ShmError =>
    new ShmError(code, `${name} must be ${expected}, got ${show(got)}`, operation);
}

function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'object' && value !== null) {
    return `an instance of ${value.constructor?.name ?? 'Object'}`;
  }
  return String(value);
}
