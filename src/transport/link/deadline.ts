import { ShmError } from '../../errors.js';
import { Limit } from '../../timers.js';
import type { HandshakeContext } from './handshake-messages.js';

/** A signal that aborts when the time is over, or when somebody else's signal does. */
export class Deadline implements HandshakeContext {
  readonly operation: string;
  readonly address: string;
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  readonly #limit: Limit;

  /** @param milliseconds Infinity for no limit */
  constructor(operation: string, address: string, milliseconds: number, outer?: AbortSignal) {
    this.operation = operation;
    this.address = address;
    this.signal = this.#controller.signal;
    const abort = (reason: Error) => this.#controller.abort(reason);
    const late = () => {
      const detail = `expected the handshake to be over within ${milliseconds} ms`;
      abort(new ShmError('ETIMEDOUT', detail, operation, address));
    };
    this.#limit = new Limit(milliseconds, outer, late, abort);
  }

  readonly clear = (): void => this.#limit.clear();
}
