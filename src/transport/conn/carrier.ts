/** Called once, with the error where it failed. */
export type Done = (error?: Error) => void;

/** What carries a connection's bytes: two rings in shared memory, or the socket itself. */
export interface Carrier {
  readonly transport: 'shared-memory' | 'socket';
  /** Begins to carry for `conn`; called once, before all else. */
  start(conn: CarrierHandler): void;
  /**
   * Takes all of the chunks, in order, and says when it has. The next call comes after that.
   * They must not change before.
   */
  write(chunks: readonly Uint8Array[], done: Done): void;
  /** No more will be written. */
  end(done: Done): void;
  /** Hands out bytes until `push` or `filled` says false, and again after each call. */
  resume(): void;
  /** Hands out nothing more until `resume`. */
  pause(): void;
  ref(): void;
  unref(): void;
  setNoDelay(on: boolean): void;
  setKeepAlive(on: boolean, delay: number): void;
  /**
   * Gives everything back; then calls `closed`.
   *
   * @param reset the peer is to see ECONNRESET, not an end
   */
  close(reset: boolean, closed: () => void): void;
}

/** Memory of the reader's. */
export interface Target {
  readonly memory: Uint8Array;
  /** So many bytes were put there. False: no more until `resume`. */
  filled(count: number): boolean;
}

/** The connection, as its carrier sees it. */
export interface CarrierHandler {
  /** Where bytes go, and who is told then, in place of `push`. */
  readonly target: Target | undefined;
  /** Bytes for the reader, null for the end. False: no more until `resume`. */
  push(chunk: Buffer | null): boolean;
  /** Something was carried. */
  active(): void;
  /** The connection is lost. */
  fail(error: Error): void;
}
