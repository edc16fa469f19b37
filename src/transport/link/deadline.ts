import { ShmError } from '../../errors.js';
import { timerLimit } from '../ring/wait.js';
import type { HandshakeContext } from './handshake-messages.js';

/** A signal that aborts when the time is over, or when somebody else's signal does. */
export class Deadline implements HandshakeContext {
  readonly operation: string;
  readonly address: string;
  readonly signal: AbortSignal;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #outer: AbortSignal | undefined;
  readonly #controller = new AbortController();
  readonly #abort = () => this.#controller.abort(this.#outer!.reason);

  /** @param milliseconds Infinity for no limit */
  constructor(operation: string, address: string, milliseconds: number, outer?: AbortSignal) {
    this.operation = operation;
    this.address = address;
    this.signal = this.#controller.signal;
    this.#outer = outer;
    if (milliseconds < timerLimit) {
      this.#timer = setTimeout(() => {
        const detail = `expected the handshake to be over within ${milliseconds} ms`;
        this.#controller.abort(new ShmError('ETIMEDOUT', detail, operation, address));
      }, milliseconds);
    }
    if (outer?.aborted) this.#abort();
    else outer?.addEventListener('abort', this.#abort);
  }

  readonly clear = (): void => {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener('abort', this.#abort);
  };
}
