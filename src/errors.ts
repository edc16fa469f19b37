import { constants } from 'node:os';
import { types } from 'node:util';

/**
 * Codes of our own; failures of the system keep their errno name (`ENOSPC`, `ENOENT`, …). What stands
 * at each is a row of docs/errors.md, which `npm run docs:errors` writes.
 */
export type ShmErrorCode =
  /**
   * Node's permission model forbids a file, a directory or a socket.
   * To do: Allow the files by `--allow-fs-read` and `--allow-fs-write`, sockets by `--allow-net`.
   */
  | 'ERR_ACCESS_DENIED'
  /**
   * Something that was closed is used: a file, segment, ring, channel, bus, listener or arena;
   * or it was closed while a call was waiting.
   * To do: Close it when its last user is done; end loops on `close`, and look at `closed` where
   * others may close it.
   */
  | 'ERR_CLOSED'
  /**
   * What stands in shared memory or in a file breaks the rules of its layout: the file is
   * something else, was damaged, or a peer wrote wrongly. A message that the codec of this side
   * cannot decode is that too.
   * To do: Check that both sides use the same `codec`, and that nothing else writes there; then
   * make it anew. The link is over; nothing was read out of bounds.
   */
  | 'ERR_CORRUPT'
  /**
   * `Bus.join`: a live peer of the bus has that id.
   * To do: Give each peer an id of its own, or none: then it is a random one.
   */
  | 'ERR_ID_TAKEN'
  /**
   * An argument or option is of the wrong kind; the message says which, what was expected and
   * what came. Nothing was changed.
   * To do: Correct the call.
   */
  | 'ERR_INVALID_ARG'
  /**
   * The same, of members that `net.Socket` and `node:fs` have too; there a `TypeError`, as Node
   * throws it, except for the options of streams.
   * To do: Correct the call.
   */
  | 'ERR_INVALID_ARG_TYPE'
  /**
   * `bus.request`: the peer has no handler, and set none within a second of the first request; or
   * 16 MiB of requests wait for one already.
   * To do: Call `bus.onRequest` there right after joining, or ask another peer.
   */
  | 'ERR_NO_HANDLER'
  /**
   * `commit` without a record that was reserved, or a second `commit`.
   * To do: Call `reserve` before, once for each `commit`; it returns null when the ring is full.
   */
  | 'ERR_NOT_RESERVED'
  /**
   * A number is of the right kind and beyond its bounds, which the message states; or a file is
   * longer than this Node can map in one piece (4 GiB before Node 22). Of members that
   * `net.Socket` has too it is a `RangeError`.
   * To do: Correct the number; map a long file in pieces, by `offset` and `length`.
   */
  | 'ERR_OUT_OF_RANGE'
  /**
   * What a handler of `subscription.drain` looked at in place was overwritten meanwhile: the reader
   * was lapped. What the handler made of it may be wrong.
   * To do: Drop that result and go on: the next call goes on behind a `gap`. Give the topic more
   * capacity, or read copies.
   */
  | 'ERR_OVERRUN'
  /**
   * The peer has closed its end, and what is sent would never be read. What it had sent before
   * can still be read.
   * To do: Stop sending; on a bus, wait for `join` of its successor.
   */
  | 'ERR_PEER_CLOSED'
  /**
   * The peer was killed, crashed, or ended with a code other than 0. It comes after everything
   * the peer had sent.
   * To do: Make a new channel with its successor, or dial again; what you sent last may not have
   * been read.
   */
  | 'ERR_PEER_DIED'
  /**
   * What is at the other end of a socket does not speak this protocol, or breaks its rules.
   * To do: Check the address: most often another program listens there. `npx mmap-transport ls`
   * shows who has what open.
   */
  | 'ERR_PROTOCOL'
  /**
   * A payload or a borrowed result is used after `release()`, or after its task settled.
   * To do: Release later, or share with `{ keep: true }`.
   */
  | 'ERR_RELEASED'
  /**
   * Something is written while a record is reserved and not committed.
   * To do: Call `commit` or `abort` first.
   */
  | 'ERR_RESERVED'
  /**
   * The role is held: a ring has one producer and one consumer, a channel one user for each end.
   * The message names the process.
   * To do: Make another ring or channel for each further peer, or use a bus.
   */
  | 'ERR_ROLE_TAKEN'
  /**
   * A write reached the end of the mapping. `written` says how many bytes fitted; these are
   * written.
   * To do: Map more: `size`, `length` or `bytes`.
   */
  | 'ERR_SHORT_WRITE'
  /**
   * A message or record is larger than half the capacity; nothing was sent.
   * To do: Raise `capacity` at both ends, or split the message.
   */
  | 'ERR_TOO_LARGE'
  /**
   * `topic.subscribe`: a topic has at most 1,024 readers, and as many are there.
   * To do: Close subscriptions that are not needed; read once in each process and pass it on there.
   */
  | 'ERR_TOO_MANY_READERS'
  /**
   * Another program cut the mapped file, or that of a ring or topic; what was beyond its new end is gone.
   * To do: Replace files by `rename` instead of truncating them. Close the mapping and open it
   * again.
   */
  | 'ERR_TRUNCATED'
  /**
   * `buffer` of a mapping whose `offset` is no multiple of 8, on a processor where Atomics need
   * that.
   * To do: Use another offset, or `bytes`.
   */
  | 'ERR_UNALIGNED'
  /**
   * No such peer is on the bus (any more).
   * To do: Look at `bus.peers`; wait for `join`.
   */
  | 'ERR_UNKNOWN_PEER'
  /**
   * The region directory belongs to somebody else, or others may write to it, or it is a link.
   * To do: Make it with mode 0700 as the user who runs the program, or set `MMAP_TRANSPORT_DIR`
   * to another one.
   */
  | 'ERR_UNSAFE_DIRECTORY'
  /**
   * A region, segment or ring file belongs to somebody else, can be reached by others, or is a
   * link.
   * To do: Do not pass on handles from other users; correct owner and mode (0600).
   */
  | 'ERR_UNSAFE_FILE'
  /**
   * This cannot be done here: no addon for the platform, Electron, a Node that is too old for
   * it, a channel over a socket that would have to block. The message says what is missing.
   * To do: See
   * [platforms.md](https://github.com/mmap-transport/mmap-transport/blob/main/docs/platforms.md).
   */
  | 'ERR_UNSUPPORTED'
  /**
   * A task returned a view of memory that is not its own, or an arena with `debug` found that
   * freed memory was written to.
   * To do: Copy what is to outlive its task; use `borrow` and `release()`.
   */
  | 'ERR_USE_AFTER_FREE'
  /**
   * Another version of this package made it, or is at the other end, and its layout or handshake
   * differs.
   * To do: Use one version at both ends; see
   * [upgrades](https://github.com/mmap-transport/mmap-transport/blob/main/docs/deploying.md#rolling-upgrades).
   */
  | 'ERR_VERSION'
  | (string & {});

/**
 * The one error class of this package. The message reads like those of `node:fs`:
 * `CODE: what was expected and what was found, operation 'address'`.
 *
 * @example
 * try {
 *   openFile('data.bin');
 * } catch (error) {
 *   if (!(error instanceof ShmError) || error.code !== 'ENOENT') throw error;
 *   console.log('nothing there at', error.address);
 * }
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

/** What was passed, briefly. Whatever it is, this does not fail and runs as little of it as possible. */
function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(shortened(value));
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null) return String(value);
  if (types.isPromise(value)) return 'a Promise (is an `await` missing?)';
  try {
    const { constructor } = value;
    const name = typeof constructor === 'function' && shortened(constructor.name);
    return name ? `an instance of ${name}` : 'an object';
  } catch {
    return 'an object';
  }
}

function shortened(text: string): string {
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}
