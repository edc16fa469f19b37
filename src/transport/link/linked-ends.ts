import type { ShmError } from '../../errors.js';
import { LoopWaiter } from '../event-loop.js';
import type { Side } from '../side.js';
import type { Ends } from './sharing.js';

/** Told when a wait is over; with the error where it never will be. */
export type Notify = (error?: ShmError) => void;

interface Output {
  readonly side: Side;
  hasRoom(length: number): boolean;
}

interface Input {
  readonly side: Side;
  /** Whether there is something to read, or the end. */
  readonly ready: () => boolean;
}

/**
 * One side's two rings, and how it waits on the event loop for what comes and for room,
 * whatever the rings carry.
 */
export abstract class LinkedEnds<O extends Output, I extends Input> implements Ends {
  readonly output: O;
  readonly input: I;
  /** Waits for something to read. */
  readonly receiving: LoopWaiter;
  /** Waits for room. */
  readonly draining: LoopWaiter;
  #needed = 0;
  #received: Notify | undefined;
  #drained: Notify | undefined;

  /** @param adapts see {@link LoopWaiter} */
  constructor(output: O, input: I, adapts: boolean) {
    this.output = output;
    this.input = input;
    this.receiving = new LoopWaiter(
      input.side,
      input.ready,
      error => this.#received?.(error),
      adapts,
    );
    this.draining = new LoopWaiter(
      output.side,
      () => output.hasRoom(this.#needed) || output.side.peerEnded(),
      error => this.#drained?.(error),
      adapts,
    );
  }

  get sides() {
    return [this.output.side, this.input.side];
  }

  prepare(): void {
    this.receiving.prepare();
    this.draining.prepare();
  }

  /** Who is told of what comes, and of room; before the two below. */
  listen(received: Notify, drained: Notify): void {
    this.#received = received;
    this.#drained = drained;
  }

  /** Has `received` called once there is something to read, or the end. */
  awaitInput(): void {
    this.receiving.start();
  }

  /** Has `drained` called once there is room for `length` bytes, or nobody to read them. */
  awaitRoom(length: number): void {
    this.#needed = length;
    this.draining.start();
  }

  /** Whether waiting keeps the process alive; at first it does. */
  setRef(refed: boolean): void {
    this.receiving.setRef(refed);
    this.draining.setRef(refed);
  }

  abstract close(): unknown;

  protected stopWaiting(): void {
    this.receiving.close();
    this.draining.close();
  }
}
