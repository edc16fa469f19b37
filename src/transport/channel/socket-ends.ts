import type { Socket } from 'node:net';
import { ShmError } from '../../errors.js';
import { Limit, setImmediate, setTimeout } from '../../timers.js';
import type { RecordHandler } from '../ring/consumer.js';
import { maxPayload } from '../ring/layout.js';
import type { Notify } from '../link/linked-rings.js';
import { FrameReader, Mark, prefix, prefixBytes } from './frames.js';
import type { Inlet, MessageEnds, Outlet } from './message-ends.js';

/** How long the peer is given to close its own side of the socket, in milliseconds. */
const closeTimeout = 1000;

/** One end of a channel over a socket. Only the event loop moves it: nothing can block on it. */
export class SocketEnds implements MessageEnds {
  readonly #socket: Socket;
  readonly #capacity: number;
  readonly #frames: FrameReader;
  #received: Notify | undefined;
  #drained: Notify | undefined;
  #awaitsMessage = false;
  #awaitsRoom = -1;
  #reader: (() => void) | undefined;
  #saidBye = false;
  #failure: ShmError | undefined;
  readonly output: Outlet;
  readonly input: Inlet;

  /**
   * @param socket with nothing of the handshake left in it
   * @param capacity bytes that may wait on either side, as a ring would hold
   */
  constructor(socket: Socket, capacity: number) {
    this.#socket = socket;
    this.#capacity = capacity;
    this.#frames = new FrameReader(maxPayload(capacity));
    this.output = this.#makeOutlet();
    this.input = this.#makeInlet();
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', () => socket.destroy());
    // Without a bye it is told by 'close'.
    socket.on('end', () => socket.end());
    socket.once('close', () => this.#lost());
  }

  listen(received: Notify, drained: Notify): void {
    this.#received = received;
    this.#drained = drained;
  }

  awaitInput(): void {
    this.#awaitsMessage = true;
    if (this.#frames.count > 0 || this.#saidBye || this.#failure) {
      setImmediate(() => this.#messageCame());
    }
  }

  awaitRoom(length: number): void {
    this.#awaitsRoom = length;
    if (this.output.hasRoom(length) || this.peerEnded()) setImmediate(() => this.#roomCame());
  }

  peerEnded(): boolean {
    return this.#saidBye || !this.#socket.writable;
  }

  setRef(refed: boolean): void {
    if (refed) this.#socket.ref();
    else this.#socket.unref();
  }

  poison(): void {
    this.#leave(Mark.corrupt);
  }

  error(code: string, operation: string, detail: string): ShmError {
    return new ShmError(code, detail, `channel.${operation}`);
  }

  endAtExit(): void {
    // The system call is made at once where the socket takes it, as it does with a few bytes.
    if (this.#socket.writable) this.#socket.end(prefix(Mark.bye));
  }

  close(): Promise<void> {
    const socket = this.#socket;
    this.#received = this.#drained = undefined;
    this.#frames.clear();
    this.#failure ??= this.error('ERR_CLOSED', 'receive', 'the channel was closed');
    this.#reader?.();
    if (socket.closed) return Promise.resolve();
    return new Promise(resolve => {
      socket.once('close', () => resolve());
      this.#leave(Mark.bye);
    });
  }

  /** Says why this side goes, after all that was sent; the peer has a moment to close its own. */
  #leave(mark: Mark): void {
    const socket = this.#socket;
    socket.resume(); // what still comes is dropped
    const patience = () => setTimeout(() => socket.destroy(), closeTimeout).unref();
    if (socket.writable) socket.end(prefix(mark), patience);
    else patience();
  }

  #makeOutlet(): Outlet {
    const socket = this.#socket;
    const longest = maxPayload(this.#capacity);
    const hasRoom = (length: number) =>
      socket.writableLength + prefixBytes + length <= this.#capacity;
    return {
      tryReserveRange: () => -1,
      records: Buffer.alloc(0),
      reserved: -1,
      commit: () => {},
      abort: () => {},
      hasRoom,
      tryWrite: bytes => {
        const { length } = bytes;
        if (length > longest) {
          const detail = `a message holds at most ${longest} bytes, got ${length}`;
          throw this.error('ERR_TOO_LARGE', 'send', detail);
        }
        if (this.peerEnded() || !hasRoom(length)) return false;
        // One write, and one copy: the bytes may be the codec's, to be used again.
        socket.write(Buffer.concat([prefix(length), bytes]), () => this.#roomCame());
        return true;
      },
      writeSync: () => this.#refuseBlocking('sendSync'),
    };
  }

  #makeInlet(): Inlet {
    const isEnded = () => this.#saidBye && this.#frames.count === 0;
    const drain = (handler: RecordHandler, limit: number): number => {
      let count = 0;
      for (let frame; count < limit && (frame = this.#frames.shift());) {
        count++;
        if (handler(frame.bytes, frame.offset, frame.length) === false) break;
      }
      if (this.#frames.held < this.#capacity && !this.#saidBye) this.#socket.resume();
      return count;
    };
    return {
      drain,
      checkMemory: () => {},
      get ended() {
        return isEnded();
      },
      waitSync: () => this.#refuseBlocking('receiveSync'),
      ready: () => this.#frames.count > 0 || isEnded(),
      read: async ({ signal }) => {
        let copy: Uint8Array | null = null;
        const copyOut: RecordHandler = (bytes, offset, length) => {
          copy = Uint8Array.from(bytes.subarray(offset, offset + length));
        };
        while (drain(copyOut, 1) === 0) {
          if (isEnded()) return null;
          if (this.#failure) throw this.#failure;
          signal.throwIfAborted();
          await new Promise<void>(resolve => {
            const done = () => (limit.clear(), resolve());
            const limit = new Limit(Infinity, signal, done, done);
            this.#reader = done;
          });
        }
        return copy;
      },
    };
  }

  #take(chunk: Buffer): void {
    if (this.#failure || this.#saidBye) return; // nothing after that makes sense
    const tooLong = this.#frames.take(chunk);
    const { mark } = this.#frames;
    if (tooLong !== undefined) {
      const most = maxPayload(this.#capacity);
      const detail = `expected a message of at most ${most} bytes, got one of ${tooLong}`;
      this.#fail('ERR_PROTOCOL', detail, Mark.protocol);
    } else if (mark === Mark.bye) {
      this.#saidBye = true;
    } else if (mark === Mark.corrupt) {
      this.#fail('ERR_CORRUPT', 'the peer found what was sent to it corrupt', Mark.bye);
    } else if (mark === Mark.protocol) {
      this.#fail('ERR_PROTOCOL', 'the peer found that what was sent breaks the rules', Mark.bye);
    } else if (mark !== undefined) {
      this.#fail('ERR_PROTOCOL', `expected a message, got mark ${mark}`, Mark.protocol);
    }
    const isFull = this.#frames.held >= this.#capacity;
    if (isFull && !this.#failure && !this.#saidBye) this.#socket.pause();
    this.#messageCame();
    if (this.#saidBye || this.#failure) this.#roomCame();
  }

  /** What came before is still delivered; then this side cannot go on. */
  #fail(code: string, detail: string, mark: Mark): void {
    this.#failure = this.error(code, 'receive', detail);
    this.#leave(mark);
  }

  #messageCame(): void {
    this.#reader?.();
    if (!this.#awaitsMessage) return;
    const isThere = this.#frames.count > 0 || this.#saidBye;
    if (!isThere && !this.#failure) return;
    this.#awaitsMessage = false;
    this.#received?.(isThere ? undefined : this.#failure);
  }

  #roomCame(): void {
    if (this.#awaitsRoom < 0) return;
    if (!this.output.hasRoom(this.#awaitsRoom) && !this.peerEnded()) return;
    this.#awaitsRoom = -1;
    this.#drained?.(this.#saidBye ? undefined : this.#failure);
  }

  #lost(): void {
    if (!this.#saidBye) {
      this.#failure ??= this.error('ERR_PEER_DIED', 'receive', 'the peer died, or its machine');
    }
    this.#messageCame();
    this.#roomCame();
  }

  #refuseBlocking(operation: string): never {
    const detail = 'a channel that goes over a socket cannot block its thread';
    throw this.error('ERR_UNSUPPORTED', operation, detail);
  }
}
