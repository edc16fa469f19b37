import type { Socket } from 'node:net';
import { ShmError } from '../../errors.js';
import { Limit, setImmediate, setTimeout } from '../../timers.js';
import { maxPayload, pieceLength } from '../ring/layout.js';
import type { RecordHandler } from '../ring/record-handlers.js';
import type { Notify } from '../link/linked-rings.js';
import { FrameReader, Mark, prefix, lengthBytes } from './frames.js';
import type { ChannelLimits } from './channel-options.js';
import type { Inlet, MessageEnds, Outlet, PieceOutlet } from './message-ends.js';
import { SocketRest } from './socket-rest.js';

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
  /** Nothing is read any more. */
  #stopped: ShmError | undefined;
  /** A long message has begun, and no mark can come before its end. */
  #isCut = false;
  readonly #longest: number;
  readonly #rest: SocketRest;
  readonly output: Outlet;
  readonly pieces: PieceOutlet;
  readonly input: Inlet;

  /**
   * @param socket with nothing of the handshake left in it
   * @param capacity bytes that may wait on either side, as a ring would hold
   * @param limits a message that is longer than the capacity is sent, and put together, bit by bit
   */
  constructor(socket: Socket, capacity: number, { maxMessage, closeTimeout }: ChannelLimits) {
    this.#socket = socket;
    this.#capacity = capacity;
    this.#rest = new SocketRest(socket, closeTimeout);
    this.#longest = Math.max(maxMessage, maxPayload(capacity));
    this.#frames = new FrameReader(this.#longest);
    this.output = this.#makeOutlet();
    this.pieces = this.#makePieces();
    this.input = this.#makeInlet();
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', () => socket.destroy());
    // Without a bye, 'close' reports it.
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

  get isPartial(): boolean {
    return this.#frames.isPartial;
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
    if (this.#rest.isOut === true) this.#rest.finishSync(0, prefix(Mark.bye));
    else if (this.#socket.writable && !this.#isCut) this.#socket.end(prefix(Mark.bye));
  }

  stopReading(): void {
    this.#received = undefined;
    this.#stopped ??= this.error('ERR_CLOSED', 'receive', 'the channel was closed');
    this.#reader?.();
    this.#dropFrames();
    this.#socket.resume();
  }

  /** Of what still comes only the end counts. */
  #dropFrames(): void {
    while (this.#frames.shift());
  }

  close(): Promise<void> {
    const socket = this.#socket;
    this.stopReading();
    this.#drained = undefined;
    this.#failure ??= this.#stopped;
    this.#frames.clear();
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
    // Within a message a mark would be taken for a part of it.
    if (this.#isCut) return void socket.destroy();
    const patience = () => setTimeout(() => socket.destroy(), closeTimeout).unref();
    if (socket.writable) socket.end(prefix(mark), patience);
    else patience();
  }

  #makeOutlet(): Outlet {
    const socket = this.#socket;
    const longest = maxPayload(this.#capacity);
    const hasRoom = (length: number) =>
      socket.writableLength + lengthBytes + length <= this.#capacity;
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
        this.#rest.write(Buffer.concat([prefix(length), bytes]), this.#roomCame);
        return true;
      },
      writeSync: () => this.#refuseBlocking('sendSync'),
    };
  }

  /** One frame, whose bytes follow as there is room. */
  #makePieces(): PieceOutlet {
    const needed = pieceLength(this.#capacity);
    return {
      longest: maxPayload(this.#capacity),
      needed,
      copies: false,
      write: (bytes, at, total) => {
        while (at < bytes.length && !this.peerEnded() && this.output.hasRoom(needed)) {
          if (total !== undefined) this.#rest.write(prefix(total), this.#roomCame);
          total = undefined;
          const end = Math.min(bytes.length, at + needed);
          this.#rest.write(bytes.subarray(at, end), this.#roomCame);
          at = end;
          this.#rest.progress(bytes, at);
          this.#isCut = at < bytes.length;
        }
        return at;
      },
      abort: () => true, // nothing blocks here, so nothing is given up
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
      readable: async ({ signal }) => {
        while (this.#frames.count === 0) {
          if (isEnded()) return null;
          const failure = this.#failure ?? this.#stopped;
          if (failure) throw failure;
          signal.throwIfAborted();
          await new Promise<void>(resolve => {
            const done = () => (limit.clear(), resolve());
            const limit = new Limit(Infinity, signal, done, done);
            this.#reader = done;
          });
        }
        return this;
      },
    };
  }

  #take(chunk: Buffer): void {
    if (this.#failure || this.#saidBye) return; // nothing after that makes sense
    let tooLong: number | undefined;
    try {
      tooLong = this.#frames.take(chunk);
    } catch (error) {
      const { code, message } = error as ShmError;
      this.#frames.clear();
      this.#fail(code, message, Mark.bye);
    }
    const { mark } = this.#frames;
    if (tooLong !== undefined) {
      const most = this.#longest;
      const detail = `expected a message of at most ${most} bytes (maxMessage), got one of ${tooLong}`;
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
    if (this.#stopped) this.#dropFrames();
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

  readonly #roomCame = (): void => {
    if (this.#awaitsRoom < 0) return;
    if (!this.output.hasRoom(this.#awaitsRoom) && !this.peerEnded()) return;
    this.#awaitsRoom = -1;
    this.#drained?.(this.#saidBye ? undefined : this.#failure);
  };

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
