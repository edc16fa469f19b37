import type { Socket } from 'node:net';
import { ShmError } from '../../errors.js';
import { atExit } from '../../native/at-exit.js';
import type { Region } from '../../native/region.js';
import { clearImmediate } from '../../timers.js';
import { nextTurn } from '../ring/listener-scope.js';
import type { Carrier, CarrierHandler, Done } from './carrier.js';
import { Pacer } from './pacer.js';
import type { StreamRings } from './stream-rings.js';
import { isTlsAlert } from './tls-alert.js';

/**
 * Bytes of one chunk for the reader: twice what libuv reads from a socket at once. What a stream does
 * between two chunks takes half a microsecond, a sixth of a chunk of 64 KiB where the cores are close.
 */
const chunkBytes = 128 * 1024;

/** The error of a write that was under way when the connection was destroyed. */
function cancelled(): ShmError {
  return new ShmError('ECANCELED', 'the connection was destroyed meanwhile', 'conn.write');
}

/**
 * Two rings in shared memory carry the bytes. The socket of the handshake stays open, idle:
 * its end is the peer's, known at once from the kernel.
 *
 * Reading goes in steps. One step hands out one chunk, or the end; what comes next is decided in
 * `finally`, by {@link #proceed}, so that a listener may throw, pause or destroy as it likes.
 */
export class SharedCarrier implements Carrier {
  readonly transport = 'shared-memory';
  readonly #socket: Socket;
  readonly #region: Region;
  readonly #ends: StreamRings;
  #conn!: CarrierHandler;
  #pacer!: Pacer;
  #chunks: readonly Uint8Array[] = [];
  /** The chunk under way, and what of it is in the ring. */
  #chunk = 0;
  #offset = 0;
  #done: Done | undefined;
  /** The reader takes more. */
  #wanted = false;
  /** A chunk is being handed out: the reader may ask for more within that. */
  #isStepping = false;
  /** The next turn reports the end, or the peer's death. */
  #conclusion: NodeJS.Immediate | undefined;
  #isConcluded = false;
  /** The peer is gone: the socket has closed, or the kernel dropped its lock. */
  #peerGone = false;
  #closed = false;
  #stayOpen: (() => void) | undefined;

  constructor(socket: Socket, region: Region, ends: StreamRings) {
    this.#socket = socket;
    this.#region = region;
    this.#ends = ends;
  }

  get isBehind(): boolean {
    if (this.#closed || this.#isConcluded) return false;
    return this.#hasBytes() || (this.#wanted && (this.#peerGone || this.#ends.input.ended));
  }

  start(conn: CarrierHandler): void {
    this.#conn = conn;
    const { scope } = conn;
    this.#pacer = new Pacer(scope, () => this.#step());
    this.#ends.listen(
      scope.bind(error => {
        this.#pacer.begin();
        this.#step(error);
      }),
      scope.bind(error => this.#fill(error)),
    );
    const socket = this.#socket;
    const noise = () => new ShmError('ERR_PROTOCOL', 'expected silence on the socket', 'conn.read');
    socket.on('data', () => scope.run(() => conn.fail(noise())));
    // Its peer closes it after the rings are closed, or the kernel does when the peer dies.
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.destroy());
    socket.once('close', () => scope.run(() => this.#peerLost()));
    socket.resume();
    // As of a `net.Socket`, it is reading and writing that keep the process alive.
    socket.unref();
    if (socket.destroyed) this.#peerGone = true;
    this.#stayOpen = atExit(code => code === 0 && this.#endAtExit());
  }

  write(chunks: readonly Uint8Array[], done: Done): void {
    this.#chunks = chunks;
    this.#done = done;
    this.#fill();
  }

  end(done: Done): void {
    this.#ends.output.close(true);
    done();
  }

  resume(): void {
    this.#wanted = true;
    this.#proceed();
  }

  pause(): void {
    this.#wanted = false;
    this.#ends.receiving.stop();
    clearImmediate(this.#conclusion);
    this.#conclusion = undefined;
  }

  ref(): void {
    this.#ends.setRef(true);
  }

  unref(): void {
    this.#ends.setRef(false);
  }

  setNoDelay(): void {} // nothing here is ever held back

  setKeepAlive(): void {} // the kernel reports the peer's end by itself

  close(reset: boolean, closed: () => void): void {
    this.#closed = true;
    this.#stayOpen?.();
    this.#pacer.close();
    clearImmediate(this.#conclusion);
    // Those that wait behind it are called back with it.
    const done = this.#done;
    if (done) nextTurn(() => this.#conn.scope.run(done, cancelled()));
    this.#done = undefined;
    this.#ends.close(!reset);
    this.#region.close(true);
    if (this.#socket.closed) {
      nextTurn(closed);
    } else {
      this.#socket.once('close', closed);
      this.#socket.destroy();
    }
  }

  /** The process ends: what was written is all there is, unless something is under way. */
  #endAtExit(): void {
    if (!this.#done) this.#ends.output.close(true);
  }

  /** Moves what it can into the ring; waits for room for the rest. */
  #fill(error?: ShmError): void {
    if (this.#closed || !this.#done) return;
    let failure: Error | undefined;
    try {
      // Nobody will read it, though there may be room.
      const { roleHolder } = this.#ends.output;
      if (error || this.#peerGone || roleHolder.peerEnded()) {
        const isGoodbye = roleHolder.peerEnded() && isTlsAlert(this.#chunks);
        if (!isGoodbye) failure = brokenPipe(error);
      } else if (!this.#copy()) {
        return;
      }
    } catch (cause) {
      failure = cause as Error;
    }
    if (!failure) this.#conn.active();
    const done = this.#done;
    this.#done = undefined;
    this.#chunks = [];
    this.#chunk = 0;
    this.#offset = 0;
    done(failure);
  }

  /** False: some is left, and room for it is awaited. */
  #copy(): boolean {
    const { output } = this.#ends;
    while (this.#chunk < this.#chunks.length) {
      const chunk = this.#chunks[this.#chunk]!;
      const count = output.write(chunk, this.#offset);
      this.#offset += count;
      if (this.#offset < chunk.length) {
        output.publish();
        if (count > 0) this.#conn.active();
        this.#ends.awaitRoom(chunk.length - this.#offset);
        return false;
      }
      this.#chunk++;
      this.#offset = 0;
    }
    output.publish();
    return true;
  }

  /** Hands out one chunk, or the end; then sees to the next one, whatever a listener did. */
  #step(error?: ShmError): void {
    if (this.#closed || !this.#wanted || this.#isStepping) return;
    if (error && error.code !== 'ERR_PEER_DIED') return this.#conn.fail(error);
    if (error) this.#peerGone = true;
    this.#isStepping = true;
    try {
      this.#handOut(error);
    } finally {
      this.#isStepping = false;
      if (!this.#closed) {
        this.#proceed();
        // Waking a producer for each chunk costs more than copying it.
        if (!this.#pacer.isImminent) this.#ends.input.settle();
      }
    }
  }

  #handOut(error?: ShmError): void {
    const conn = this.#conn;
    const { input } = this.#ends;
    const { target } = conn;
    let memory: Uint8Array | undefined;
    if (target && this.#hasBytes()) {
      memory = this.#pacer.guard(() => target.memory());
      if (this.#closed || !this.#wanted) return; // by the user's function
    }
    let chunk: Buffer | null = null;
    let count = 0;
    let ended: boolean;
    try {
      if (memory) count = input.readInto(memory);
      else if (!target) chunk = input.read(chunkBytes);
      count = chunk?.length ?? count;
      ended = count === 0 && input.ended;
    } catch (cause) {
      return conn.fail(cause as Error);
    }
    if (count === 0) {
      if (ended || this.#peerGone) this.#conclude(ended, error);
      return;
    }
    this.#pacer.charge(count);
    conn.active();
    if (chunk) this.#wanted = conn.push(chunk);
    else target!.filled(count);
  }

  /**
   * Schedules the next step: right after the ticks if there is something, else when something
   * comes.
   */
  #proceed(): void {
    if (this.#closed || !this.#wanted || this.#isStepping) return;
    if (this.#conclusion || this.#pacer.isScheduled || this.#ends.receiving.active) return;
    if (this.#peerGone || this.#isReady()) this.#pacer.schedule();
    else this.#ends.awaitInput();
  }

  /** Something to hand out: bytes, the end, or the error that looking gave. */
  #isReady(): boolean {
    try {
      return this.#ends.input.ready();
    } catch {
      return true; // and the step reports it
    }
  }

  #hasBytes(): boolean {
    const { input } = this.#ends;
    try {
      return input.ready() && !input.ended;
    } catch {
      return false;
    }
  }

  /** The loop has its turn first: a reply to the last chunk is written before the end is seen. */
  #conclude(ended: boolean, cause?: ShmError): void {
    const conn = this.#conn;
    const tell = () => {
      if (this.#closed) return;
      this.#isConcluded = true;
      if (ended) return conn.end();
      const detail = 'the peer ended without closing the connection';
      conn.lose(new ShmError('ECONNRESET', detail, 'conn.read', undefined, cause));
    };
    this.#conclusion = nextTurn(() => conn.scope.run(tell));
  }

  /** The socket has closed. What the peer had written before is in the ring. */
  #peerLost(): void {
    if (this.#closed) return;
    this.#peerGone = true;
    const { receiving, draining } = this.#ends;
    receiving.stop();
    this.#proceed();
    if (!draining.active) return;
    draining.stop();
    this.#fill();
  }
}

function brokenPipe(cause?: ShmError): ShmError {
  if (cause && cause.code !== 'ERR_PEER_DIED') return cause;
  const detail = 'the peer has closed the connection';
  return new ShmError('EPIPE', detail, 'conn.write', undefined, cause);
}
