import type { Socket } from 'node:net';
import { ShmError } from '../../errors.js';
import { atExit } from '../../native/at-exit.js';
import type { Region } from '../../native/region.js';
import { checkHeader, formatHeader } from '../ring/header.js';
import { Magic } from '../ring/layout.js';
import { LinkedRings } from '../link/linked-rings.js';
import type { LinkKind } from '../link/sharing.js';
import { StreamConsumer } from '../ring/stream-consumer.js';
import { StreamProducer } from '../ring/stream-producer.js';
import { parseAdaptive, type WaitStrategy } from '../ring/wait.js';
import type { Carrier, CarrierHandler, Done } from './carrier.js';

/** Bytes of one chunk for the reader; as much as libuv reads from a socket at once. */
const chunkBytes = 64 * 1024;

/** Bytes handed out before the event loop gets its turn. */
const bytesPerTurn = 1024 * 1024;

/** A stream each way. */
export class StreamRings extends LinkedRings<StreamProducer, StreamConsumer> {
  close(orderly = true): void {
    this.stopWaiting();
    this.output.close(orderly);
    this.input.close(orderly);
  }
}

/** What a connection's link carries. @param wait how this side waits */
export function streamKind(wait: WaitStrategy | undefined): LinkKind<StreamRings> {
  const { spin, adapts } = parseAdaptive('conn', wait);
  return {
    name: 'stream',
    defaultCapacity: 256 * 1024,
    create(output, input, capacity) {
      for (const memory of [output, input]) formatHeader(memory, Magic.stream, capacity);
      return new StreamRings(
        new StreamProducer(output, capacity, { spin }),
        new StreamConsumer(input, capacity, { spin }),
        adapts,
      );
    },
    open(output, input) {
      const [room, bytes] = [output, input].map(memory =>
        checkHeader(memory, Magic.stream, 'accept'),
      ) as [number, number];
      return new StreamRings(
        new StreamProducer(output, room, { spin }),
        new StreamConsumer(input, bytes, { spin }),
        adapts,
      );
    },
  };
}

/** What becomes of a write that was under way at the close. */
function cancelled(): ShmError {
  return new ShmError('ECANCELED', 'the connection was destroyed meanwhile', 'conn.write');
}

/**
 * Two rings in shared memory carry the bytes. The socket of the handshake stays open, idle:
 * its end is the peer's, known at once from the kernel.
 */
export class SharedCarrier implements Carrier {
  readonly transport = 'shared-memory';
  readonly #socket: Socket;
  readonly #region: Region;
  readonly #ends: StreamRings;
  #conn!: CarrierHandler;
  #chunks: readonly Uint8Array[] = [];
  /** The chunk under way, and what of it is in the ring. */
  #chunk = 0;
  #offset = 0;
  #done: Done | undefined;
  #reading = false;
  /** The reader takes more. */
  #wanted = true;
  #turn: NodeJS.Immediate | undefined;
  /** The socket has closed: nobody is at the other end any more. */
  #alone = false;
  #closed = false;
  #stayOpen: (() => void) | undefined;

  constructor(socket: Socket, region: Region, ends: StreamRings) {
    this.#socket = socket;
    this.#region = region;
    this.#ends = ends;
  }

  start(conn: CarrierHandler): void {
    this.#conn = conn;
    this.#ends.listen(
      error => this.#receive(error),
      error => this.#fill(error),
    );
    const socket = this.#socket;
    socket.on('data', () => {
      conn.fail(new ShmError('ERR_PROTOCOL', 'expected silence on the socket', 'conn.read'));
    });
    // Its peer closes it after the rings are closed, or the kernel does when the peer dies.
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.destroy());
    socket.once('close', () => this.#lost());
    socket.resume();
    if (socket.destroyed) this.#alone = true;
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
    if (this.#reading || this.#turn || this.#ends.receiving.active) return;
    this.#receive();
  }

  pause(): void {
    this.#ends.receiving.stop();
    clearImmediate(this.#turn);
    this.#turn = undefined;
  }

  ref(): void {
    this.#ends.setRef(true);
    this.#socket.ref();
  }

  unref(): void {
    this.#ends.setRef(false);
    this.#socket.unref();
  }

  setNoDelay(): void {} // nothing here is ever held back

  setKeepAlive(): void {} // the kernel tells of the peer's end by itself

  close(reset: boolean, closed: () => void): void {
    this.#closed = true;
    this.#stayOpen?.();
    clearImmediate(this.#turn);
    // Those that wait behind it are called back with it.
    if (this.#done) setImmediate(this.#done, cancelled());
    this.#done = undefined;
    this.#ends.close(!reset);
    this.#region.close(true);
    if (this.#socket.closed) return closed();
    this.#socket.once('close', closed);
    this.#socket.destroy();
  }

  /** The process ends: what was written is all there is, unless something is under way. */
  #endAtExit(): void {
    if (!this.#done) this.#ends.output.close(true);
  }

  /** Moves what it can into the ring; waits for room for the rest. */
  #fill(error?: ShmError): void {
    if (this.#closed || !this.#done) return;
    const { output } = this.#ends;
    try {
      // Nobody will read it, though there may be room.
      if (error || this.#alone || output.roleHolder.peerEnded()) return this.#brokenPipe(error);
      while (this.#chunk < this.#chunks.length) {
        const chunk = this.#chunks[this.#chunk]!;
        const count = output.write(chunk, this.#offset);
        this.#offset += count;
        if (this.#offset < chunk.length) {
          output.publish();
          if (count > 0) this.#conn.active();
          return this.#ends.awaitRoom(chunk.length - this.#offset);
        }
        this.#chunk++;
        this.#offset = 0;
      }
      output.publish();
    } catch (cause) {
      return this.#finish(cause as Error);
    }
    this.#conn.active();
    this.#finish();
  }

  #finish(error?: Error): void {
    const done = this.#done!;
    this.#done = undefined;
    this.#chunks = [];
    this.#chunk = 0;
    this.#offset = 0;
    done(error);
  }

  #brokenPipe(cause?: ShmError): void {
    if (cause && cause.code !== 'ERR_PEER_DIED') return this.#finish(cause);
    const detail = 'the peer has closed the connection';
    this.#finish(new ShmError('EPIPE', detail, 'conn.write', undefined, cause));
  }

  /** Hands out what is there, a turn's worth, then waits for more. */
  #receive(error?: ShmError): void {
    if (this.#closed) return;
    this.#turn = undefined;
    this.#reading = true;
    try {
      this.#deliver(error);
    } catch (cause) {
      if (!(cause instanceof ShmError)) throw cause; // a listener's own
      this.#conn.fail(cause);
    } finally {
      this.#reading = false;
      if (!this.#closed) this.#ends.input.settle();
    }
  }

  #deliver(error?: ShmError): void {
    if (error && error.code !== 'ERR_PEER_DIED') return this.#conn.fail(error);
    const { input } = this.#ends;
    let left = bytesPerTurn;
    for (let count; (count = this.#take());) {
      left -= count;
      if (!this.#wanted || this.#closed) return;
      if (left > 0) continue;
      this.#turn = setImmediate(() => this.#receive());
      return;
    }
    if (input.ended) {
      this.#conn.push(null);
    } else if (this.#alone || error) {
      const detail = 'the peer ended without closing the connection';
      this.#conn.fail(new ShmError('ECONNRESET', detail, 'conn.read', undefined, error));
    } else {
      this.#ends.awaitInput();
    }
  }

  /** Hands out one chunk. @returns its bytes; 0: there is none */
  #take(): number {
    const { input } = this.#ends;
    const { target } = this.#conn;
    const chunk = target ? null : input.read(chunkBytes);
    const count = target ? input.readInto(target.memory) : (chunk?.length ?? 0);
    if (count === 0) return 0;
    this.#conn.active();
    this.#wanted = target ? target.filled(count) : this.#conn.push(chunk);
    return count;
  }

  /** The socket has closed. What the peer had written before is in the ring. */
  #lost(): void {
    if (this.#closed) return;
    this.#alone = true;
    if (this.#ends.receiving.active) {
      this.#ends.receiving.stop();
      this.#receive();
    }
    if (this.#ends.draining.active) {
      this.#ends.draining.stop();
      this.#fill();
    }
  }
}
