import { Region } from '../../native/region.js';
import { LinkedRings } from '../link/linked-rings.js';
import type { Consumer } from '../ring/consumer.js';
import { recordHeaderBytes, ringHeaderBytes } from '../ring/layout.js';
import { halves, type RegionMemory } from '../ring/memory.js';
import type { Producer } from '../ring/producer.js';
import { Ring } from '../ring/ring.js';
import { parseAdaptive } from '../ring/wait-strategy.js';
import type { SerializationMode } from './control-messages.js';
import { type MessageCodec, messageCodec } from './message-codec.js';

/** Bytes each direction holds: small, since a /dev/shm of 64 MiB has to do for hundreds of children. */
export const capacity = 64 * 1024;

/** A longer message goes in pieces. */
const longestRecord = capacity / 4;

/** A record that begins with this byte, which no message does, is one of ours; {@link Extra} follows. */
const escape = 0;

/** Records that are not a whole message. */
const Extra = {
  /** What comes next is on the socket, until that says `switch`. */
  back: 1,
  /** A piece of a message … */
  piece: 2,
  /** … and the last one. */
  lastPiece: 3,
} as const;

const extraBytes = 2;

/** See {@link SharedRings.read}. */
export type ReadState = 'empty' | 'more' | 'back';

/**
 * One end of the two rings of an IPC channel. It keeps no process alive: Node's socket does that.
 */
export class SharedRings extends LinkedRings<Producer, Consumer> {
  /** Goes into the ring before the socket is used again. */
  readonly backRecord: Uint8Array = Uint8Array.of(escape, Extra.back);
  readonly #region: Region;
  readonly #codec: MessageCodec;
  /** Pieces of a message that is not whole yet. */
  #pieces: Buffer[] = [];
  #closed = false;
  #taken = 0;

  /**
   * Makes a region.
   *
   * @throws {ShmError} as `Region.create`; `EMFILE` and other errno names for the doorbell
   */
  static create(mode: SerializationMode): SharedRings {
    const region = Region.create({ bytes: 2 * (ringHeaderBytes + capacity), kind: 'ring' });
    return SharedRings.#take(region, mode, () => {
      const [output, input] = halves(region);
      return [Ring.format(output, capacity), Ring.format(input, capacity)];
    });
  }

  /**
   * Opens the region of the other end.
   *
   * @throws {ShmError} as `Region.open` and `Ring.open`
   */
  static open(path: string, mode: SerializationMode): SharedRings {
    const region = Region.open(path);
    return SharedRings.#take(region, mode, () => {
      const [input, output]: [RegionMemory, RegionMemory] = halves(region, 0);
      return [Ring.attach(output), Ring.attach(input)];
    });
  }

  static #take(region: Region, mode: SerializationMode, rings: () => [Ring, Ring]): SharedRings {
    let taken: SharedRings | undefined;
    try {
      const { spin, adapts } = parseAdaptive('auto');
      const options = { first: true, wait: { spin } };
      const [output, input] = rings();
      const pair = [output.producer(options), input.consumer(options)] as const;
      taken = new SharedRings(region, messageCodec(mode), ...pair, adapts);
      taken.setRef(false);
      taken.prepare();
      return taken;
    } catch (error) {
      if (taken) taken.close();
      else region.close(true);
      throw error;
    }
  }

  private constructor(
    region: Region,
    codec: MessageCodec,
    output: Producer,
    input: Consumer,
    adapts: boolean,
  ) {
    super(output, input, adapts);
    this.#region = region;
    this.#codec = codec;
  }

  get path(): string {
    return this.#region.path;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Bytes each direction holds. */
  get capacity(): number {
    return capacity;
  }

  /** Bytes of the records that {@link read} has taken out so far. */
  get taken(): number {
    return this.#taken;
  }

  /** Neither is of use any more: the other end broke the rules, or the memory was cut. */
  get isBroken(): boolean {
    if (this.#closed) return false;
    try {
      for (const role of this.roles) role.checkUsable('use');
      return false;
    } catch {
      return true;
    }
  }

  /** How much room is worth a wake-up when a lot waits. */
  get step(): number {
    return capacity / 4;
  }

  /** Both have it open: it goes with them now, however they go. */
  unlink(): void {
    this.#region.unlink();
  }

  /** Whether this end can wake the other one. */
  ringPeer(): boolean {
    return this.output.roleHolder.ringPeer() && this.input.roleHolder.ringPeer();
  }

  /**
   * Writes a message; call it only if nothing waits that comes before it.
   *
   * @returns undefined: it is in the ring; else the records to write once there is room
   * @throws what `process.send` throws for such a message
   */
  put(message: unknown): Uint8Array[] | undefined {
    const bytes = this.#codec.put(message, this.output);
    if (!bytes) return undefined;
    if (bytes.length <= longestRecord && this.output.tryWrite(bytes)) return undefined;
    return this.#records(bytes);
  }

  /** A message as records. @throws as {@link put} */
  encode(message: unknown): Uint8Array[] {
    return this.#records(this.#codec.encode(message));
  }

  #records(bytes: Uint8Array): Uint8Array[] {
    if (bytes.length <= longestRecord) return [bytes];
    const records: Uint8Array[] = [];
    const step = longestRecord - extraBytes;
    for (let at = 0; at < bytes.length; at += step) {
      const isLast = at + step >= bytes.length;
      const part = bytes.subarray(at, at + step);
      const record = Buffer.allocUnsafeSlow(extraBytes + part.length);
      record[0] = escape;
      record[1] = isLast ? Extra.lastPiece : Extra.piece;
      record.set(part, extraBytes);
      records.push(record);
    }
    return records;
  }

  /**
   * Hands out the messages that are there, at most what the ring held when this began.
   *
   * @param handle called with each message; when it throws, the rest stays
   * @param most bytes after which to stop
   * @returns `'back'`: what comes next is on the socket. `'more'`: there may be more.
   */
  read(handle: (message: unknown) => void, most = capacity): ReadState {
    let read = 0;
    let isBack = false;
    this.input.drain((records, start, length) => {
      // Empty ones count, too: a peer could go on with them for ever.
      const bytes = length + recordHeaderBytes;
      read += bytes;
      this.#taken += bytes;
      if (length >= extraBytes && records[start] === escape) {
        isBack = records[start + 1] === Extra.back;
        if (!isBack) this.#readPiece(records, start, start + length, handle);
      } else {
        handle(this.#codec.decode(records, start, start + length));
      }
      return !isBack && read < most;
    });
    if (isBack) return 'back';
    return read < most ? 'empty' : 'more';
  }

  #readPiece(bytes: Buffer, start: number, end: number, handle: (message: unknown) => void): void {
    this.#pieces.push(Buffer.from(bytes.subarray(start + extraBytes, end)));
    if (bytes[start + 1] !== Extra.lastPiece) return;
    const whole = Buffer.concat(this.#pieces);
    this.#pieces = [];
    handle(this.#codec.decode(whole, 0, whole.length));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.stopWaiting();
    this.output.end();
    this.input.close();
    this.#region.close(true);
  }
}
