import type { ShmError } from '../../errors.js';
import { LoopWaiter } from '../ring/loop-waiter.js';
import type { RoleHolder } from '../ring/role-holder.js';
import type { RingPair } from './sharing.js';

/**
 * Called when a wait ends, with an error if it cannot succeed; `temporary` if the next wait may.
 */
export type Notify = (error?: ShmError, temporary?: boolean) => void;

interface Output {
  readonly roleHolder: RoleHolder;
  hasRoom(length: number): boolean;
}

interface Input {
  readonly roleHolder: RoleHolder;
  /** Whether there is something to read, or the end. */
  readonly ready: () => boolean;
}

/**
 * One side's two rings, and how it waits on the event loop for what comes and for room,
 * whatever the rings carry.
 */
export abstract class LinkedRings<O extends Output, I extends Input> implements RingPair {
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
      input.roleHolder,
      input.ready,
      (error, temporary) => this.#received?.(error, temporary),
      adapts,
    );
    this.draining = new LoopWaiter(
      output.roleHolder,
      () => output.hasRoom(this.#needed) || output.roleHolder.peerEnded(),
      (error, temporary) => this.#drained?.(error, temporary),
      adapts,
    );
  }

  get roles() {
    return [this.output.roleHolder, this.input.roleHolder];
  }

  prepare(): void {
    this.receiving.prepare();
    this.draining.prepare();
  }

  /** Says what to call when something comes, and when there is room; before the two below. */
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
