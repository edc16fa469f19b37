import type { Duplex } from 'node:stream';
import { clearImmediate, nextTick } from '../../timers.js';
import { type ListenerScope, nextTurn } from '../ring/listener-scope.js';

/** As a stream hands it to `_write`. */
export type WriteDone = (error?: Error | null) => void;

/**
 * That the peer is gone, kept back until its last words have been read: destroying a stream throws
 * away what waits in its buffer, and a reader may be slow, paused, or not there yet. So the news
 * comes where an end would come, whether reading or a write found it out.
 */
export class PeerLoss {
  readonly #stream: Duplex;
  readonly #scope: ListenerScope;
  readonly #hasMore: () => boolean;
  #isDrained = false;
  #error: Error | undefined;
  #failWrite: (() => void) | undefined;
  #telling: NodeJS.Immediate | undefined;

  /** @param hasMore whether the stream has yet to be given bytes, or the end */
  constructor(stream: Duplex, scope: ListenerScope, hasMore: () => boolean) {
    this.#stream = stream;
    this.#scope = scope;
    this.#hasMore = hasMore;
  }

  /** The stream has been given everything, and the end. */
  ended(): void {
    this.#isDrained = true;
  }

  /** The stream has been given everything; now it ends with this error, once all of it is read. */
  lost(error: Error): void {
    this.#isDrained = true;
    this.#error = error;
    if (this.#stream.readableLength === 0) this.#tell();
  }

  /** A write has failed: calls back, unless the reader has yet to see what came before that. */
  writeFailed(error: NodeJS.ErrnoException, done: WriteDone): void {
    const isGone = error.code === 'EPIPE' || error.code === 'ECONNRESET';
    if (!isGone || this.#stream.destroyed || !this.#isBehind) return done(error);
    this.#failWrite = () => done(error);
  }

  /** The reader may have seen all that it will see. */
  recheck(): void {
    if (this.#failWrite && !this.#isBehind) this.#scope.run(() => this.#tell());
  }

  /** The stream was read. */
  read(): void {
    if (!this.#isDrained || this.#stream.readableLength > 0) return;
    if (!this.#error && !this.#failWrite) return;
    // What the reader does with the last bytes, and 'end', come first.
    this.#telling ??= nextTurn(() => {
      this.#telling = undefined;
      if (this.#stream.readableLength === 0) this.#scope.run(() => this.#tell());
    });
  }

  /** The stream was destroyed: a write still has to be called back. */
  destroyed(): void {
    clearImmediate(this.#telling);
    const fail = this.#failWrite;
    this.#failWrite = undefined;
    if (fail) nextTick(() => this.#scope.run(fail));
  }

  get #isBehind(): boolean {
    return this.#stream.readableLength > 0 || this.#error !== undefined || this.#hasMore();
  }

  #tell(): void {
    if (this.#error) return void this.#stream.destroy(this.#error);
    const fail = this.#failWrite;
    this.#failWrite = undefined;
    fail?.();
  }
}
