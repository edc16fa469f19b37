import { loadAddon } from './load.js';

/** How the pages may be used; the numbers are `platform::Access` in native/platform.h. */
export const Access = { read: 0, readWrite: 1, copyOnWrite: 2 } as const;

/** What `protect` allows; the numbers are `platform::Protection`. */
export const Protection = { none: 0, read: 1, 'read-write': 2 } as const;

/** Hints about the use of pages; the numbers are `platform::Advice`. */
export const Advice = {
  normal: 0,
  random: 1,
  sequential: 2,
  willneed: 3,
  dontneed: 4,
  hugepage: 5,
  nohugepage: 6,
  cold: 7,
  pageout: 8,
} as const;

/** Enters pages into the page table at once, where the system can; not offered to users. */
export const populateAdvice = 9;

/**
 * One thread's handle on a mapping. It keeps a descriptor of the file for itself, so
 * the caller may close its own, and holds the locks taken through it.
 * Errors of the system carry `errno` and `syscall`; see `systemError`.
 */
export interface NativeMapping {
  /** The handle's own descriptor; -1 once closed, and where it has no file of its own. */
  readonly fd: number;
  /** What the mapping was called when it was made, the same in every thread. */
  readonly name: string;
  /** One of {@link Access}. */
  readonly access: number;
  /** A SharedArrayBuffer over the pages; they stay mapped while any such buffer lives. */
  sharedBuffer(): SharedArrayBuffer;
  /** A plain ArrayBuffer over the same pages, or some of their bytes; for this thread only. */
  alias(offset?: number, length?: number): ArrayBuffer;
  /** Takes the lock of one byte, which need not lie within the file, if it is free. */
  tryLockByte(offset: number): boolean;
  unlockByte(offset: number): void;
  /** Whether another open file holds that byte's lock. */
  byteIsLocked(offset: number): boolean;
  /**
   * Blocks while the 32-bit word at `offset` is `expected`, at most `timeout`
   * milliseconds (negative: without end). False: the time ran out.
   */
  wait(offset: number, expected: number, timeout: number): boolean;
  /** Wakes at most `count` that wait on the word, in any process; returns how many. */
  wake(offset: number, count: number): number;
  /** Writes changed pages to the file. Offsets and lengths are bytes of the mapping. */
  sync(offset: number, length: number, async: 0 | 1, invalidate: 0 | 1): void;
  /** One of {@link Advice}, or {@link populateAdvice}. */
  advise(offset: number, length: number, advice: number): void;
  lockPages(offset: number, length: number): void;
  unlockPages(offset: number, length: number): void;
  /** One of {@link Protection}, for every handle on the mapping. */
  protect(offset: number, length: number, protection: number): void;
  /** One byte per page, 1 where it is in memory. */
  resident(offset: number, length: number): Uint8Array<ArrayBuffer>;
  /** Whether a page could not be reached and was replaced by a zero page. */
  faulted(): boolean;
  /** Whether `protect` has been used, so that `permits` must be asked. */
  restricted(): boolean;
  permits(offset: number, length: number, write: 0 | 1): boolean;
  /**
   * Has the file removed when the handle closes or its thread ends, however it ends;
   * with `onlyIfLast`, only where nobody else holds a lease on it.
   */
  ownName(path: string, onlyIfLast: 0 | 1): void;
  /**
   * Gives up descriptor, locks and this handle's hold on the pages. With `discard` the
   * pages go when the last handle of the process has closed, and views that are left read
   * zeros; else they stay while a view lives. Twice is harmless.
   */
  close(discard?: boolean): void;
}

/** Wakes this thread's event loop when someone rings; its name goes when it closes. */
export interface NativeDoorbell {
  /** Whether it keeps the loop alive; at first it does not. */
  ref(): void;
  unref(): void;
  close(): void;
}

/** Rings another thread's doorbell. */
export interface NativeDoorbellRinger {
  /** False: nobody listens there any more. */
  ring(token: number): boolean;
  close(): void;
}

interface Addon {
  Doorbell: {
    /**
     * Makes a bell with the name `path`; `making` is its name until it listens. Each token that
     * arrives is a callback of its own, as if libuv had called it: microtasks and ticks run
     * before the next one, and what it throws is uncaught at once. Both names are in one
     * directory and end in `bell-` and 24 hexadecimal digits. `EEXIST`, `EAGAIN`: try others.
     */
    new (path: string, making: string, callback: (token: number) => void): NativeDoorbell;
  };
  DoorbellRinger: { new (path: string): NativeDoorbellRinger };
  Mapping: {
    /**
     * Maps a part of a file; no part, where the length is 0. `prefault` enters all pages
     * into the page table at once. `name` is what errors call it.
     */
    new (
      fd: number,
      offset: number,
      length: number,
      access: number,
      prefault: 0 | 1,
      name: string,
    ): NativeMapping;
    /** Finds the live mapping of this process that starts at these bytes, or has this name. */
    new (bytesOrName: Uint8Array | string): NativeMapping;
  };
  /**
   * Whether a bell's listener was killed; once true, it stays true. `EINVAL`: it is not one of our
   * bells.
   */
  isBellDead(path: string): boolean;
  /**
   * Makes the file at least this long and reserves its blocks. False where the file system
   * cannot reserve, so that the file has only grown. Bytes that are there are never written.
   */
  reserve(fd: number, length: number): boolean;
  /** Gives a name, which must be free, to a file that was opened without one; only on Linux. */
  linkFile(fd: number, path: string): void;
  /**
   * Takes the advisory lock of the open file (0 shared, 1 exclusive) if it is free. The
   * kernel drops it with the file's last descriptor, however the process ends.
   */
  tryLease(fd: number, exclusive: 0 | 1): boolean;
  /**
   * Which account, besides this user's and the system's own, may enter a directory by its access
   * list; only on Windows.
   */
  findStranger(path: string): string | undefined;
  /** Makes a directory for this user alone; only on Windows, elsewhere a mode does that. */
  makePrivateDirectory(path: string): void;
  /** Leaves an ArrayBuffer, and every view of it, with a length of 0. */
  detach(buffer: ArrayBuffer): void;
  /**
   * One word, which changes when the state of some mapping of the process did (`faulted`,
   * `restricted`): one load instead of a native call, as long as nothing happens.
   */
  readonly stateChanges: Uint32Array;
  /** Bytes of a page. */
  readonly pageSize: number;
}

export const addon = loadAddon() as Addon;

/** {@link Addon.stateChanges} as a number that V8 holds without allocating. */
export const stateChanges = new Int32Array(addon.stateChanges.buffer, 0, 1);
