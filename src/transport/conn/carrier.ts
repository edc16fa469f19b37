import type { ListenerScope } from '../ring/listener-scope.js';

/** Called once, with the error where it failed. */
export type Done = (error?: Error) => void;

/** What carries a connection's bytes: two rings in shared memory, or the socket itself. */
export interface Carrier {
  readonly transport: 'shared-memory' | 'socket';
  /** The reader has yet to be given bytes that are there, or the end that it is about to see. */
  readonly isBehind: boolean;
  /** Begins to carry for `conn`; called once, before all else. */
  start(conn: CarrierHandler): void;
  /**
   * Takes all of the chunks, in order, and says when it has. The next call comes after that.
   * They must not change before.
   */
  write(chunks: readonly Uint8Array[], done: Done): void;
  /** No more will be written. */
  end(done: Done): void;
  /**
   * The reader wants bytes. They come later, never within this call: a chunk at a time, until
   * `push` returns false or {@link pause} is called. Only meanwhile does reading keep the
   * process alive.
   */
  resume(): void;
  /** Hands out nothing more until `resume`. */
  pause(): void;
  ref(): void;
  unref(): void;
  setNoDelay(on: boolean): void;
  setKeepAlive(on: boolean, delay: number): void;
  /**
   * Gives everything back; then calls `closed`, in a later turn of the loop.
   *
   * @param reset whether the peer sees ECONNRESET instead of an end
   */
  close(reset: boolean, closed: () => void): void;
}

/** Memory of the reader's. */
export interface Target {
  /** Where the next bytes go. What the user's own function throws, this throws. */
  memory(): Uint8Array | undefined;
  /** This many bytes were put there. */
  filled(count: number): void;
}

/** The connection, as its carrier sees it. Any of these may throw what a listener has thrown. */
export interface CarrierHandler {
  /** Everything that calls one of these runs in it. */
  readonly scope: ListenerScope;
  /** Where bytes go, instead of to `push`. */
  readonly target: Target | undefined;
  /** Bytes for the reader. False: no more until `resume`. */
  push(chunk: Buffer): boolean;
  /** Everything was handed out, and the peer has ended its half. */
  end(): void;
  /** Everything was handed out, and the peer is gone. */
  lose(error: Error): void;
  /** Something was carried. */
  active(): void;
  /** The connection cannot go on; nothing more is handed out. */
  fail(error: Error): void;
}
