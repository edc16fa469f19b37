import { ShmError } from '../../errors.js';
import { delay } from '../../timers.js';
import type { RequestHandler } from './bus-options.js';
import { type Envelope, EnvelopeKind, type Failure, failureOf, shortened } from './envelope.js';
import type { Peer } from './peer.js';

/** Milliseconds that requests wait for a handler, from the first one on once the bus is joined. */
const handlerPatience = 1000;

/** Bytes of requests that wait for it, as they travelled; those beyond are refused at once. */
const mostWaiting = 16 * 1024 * 1024;

/** What a request that waits takes besides its value. */
const requestOverhead = 256;

/** Answers what other peers ask this one. */
export class Answers<T> {
  readonly #id: string;
  #handler: RequestHandler<T> | undefined;
  /** Over when requests no longer wait for a handler. */
  #patience: Promise<void> | undefined;
  #handlerSet: (() => void) | undefined;
  readonly #joined: Promise<void>;
  #markJoined!: () => void;
  #waitingBytes = 0;

  /** @param id this peer's own */
  constructor(id: string) {
    this.#id = id;
    this.#joined = new Promise(resolve => (this.#markJoined = resolve));
  }

  /** The bus is in its user's hands, who can set a handler. */
  joined(): void {
    this.#markJoined();
  }

  setHandler(handler: RequestHandler<T>): void {
    this.#handler = handler;
    this.#handlerSet?.();
  }

  /** Never rejects. @param bytes that the request took on its way */
  async answer(peer: Peer, id: number, value: T, bytes = 0): Promise<void> {
    const { reply } = EnvelopeKind;
    try {
      if (!this.#handler) await this.#waitForHandler(bytes + requestOverhead);
      if (!this.#handler) {
        const detail = 'the peer has no handler; it sets one by onRequest';
        throw new ShmError('ERR_NO_HANDLER', detail, 'bus.request', this.#id);
      }
      const answer = await this.#handler(value, peer.id);
      await post(peer, { kind: reply, id, value: answer });
    } catch (error) {
      // Also where the answer cannot be sent as it is.
      await postFailure(peer, id, failureOf(error)).catch(() => {}); // nobody waits
    }
  }

  async #waitForHandler(bytes: number): Promise<void> {
    // One alone always waits.
    if (this.#waitingBytes > 0 && this.#waitingBytes + bytes > mostWaiting) return;
    this.#waitingBytes += bytes;
    await this.#handlerComes();
    this.#waitingBytes -= bytes;
  }

  /** A bus that is being joined, which may take seconds, or just was, may still get its handler. */
  #handlerComes(): Promise<void> {
    this.#patience ??= Promise.race([
      this.#joined.then(() => delay(handlerPatience, { ref: false })),
      new Promise<void>(resolve => (this.#handlerSet = resolve)),
    ]);
    return this.#patience;
  }
}

async function postFailure(peer: Peer, id: number, value: Failure): Promise<void> {
  const { failure } = EnvelopeKind;
  try {
    await post(peer, { kind: failure, id, value });
  } catch (error) {
    if ((error as ShmError).code !== 'ERR_TOO_LARGE') throw error;
    await post(peer, { kind: failure, id, value: shortened(value) });
  }
}

function post(peer: Peer, envelope: Envelope): Promise<void> {
  return new Promise((resolve, reject) => {
    peer.post(envelope, error => (error ? reject(error) : resolve()));
  });
}
