import { ShmError } from '../../errors.js';
import { Limit } from '../../timers.js';
import { checkTimeout } from '../ring/wait-strategy.js';
import type { RequestOptions } from './bus-options.js';
import type { Peer } from './peer.js';

interface PendingRequest {
  peer: Peer;
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
}

/** What this peer of the bus has asked others, without an answer yet. */
export class PendingRequests {
  readonly #asked = new Map<number, PendingRequest>();
  #lastId = 0;

  /** Requests without an answer. */
  get size(): number {
    return this.#asked.size;
  }

  /**
   * @param post sends the request with its id, or calls back why it cannot be sent; gives a function
   *   that gives the request up
   * @returns the answer
   */
  ask(
    peer: Peer,
    { timeout, signal }: RequestOptions,
    post: (id: number, settle: (error?: Error) => void) => () => void,
  ): Promise<unknown> {
    const milliseconds = checkTimeout('bus.request', timeout);
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const id = (this.#lastId = (this.#lastId + 1) >>> 0);
      let giveUp = () => {};
      const finish = () => {
        this.#asked.delete(id);
        limit.clear();
        giveUp();
      };
      const fail = (error: Error) => (finish(), reject(error));
      const late = () => {
        const detail = `expected an answer within ${milliseconds} ms`;
        fail(new ShmError('ETIMEDOUT', detail, 'bus.request', peer.id));
      };
      const limit = new Limit(milliseconds, signal, late, fail);
      this.#asked.set(id, { peer, resolve: value => (finish(), resolve(value)), reject: fail });
      try {
        giveUp = post(id, error => error && fail(error));
      } catch (error) {
        fail(error as Error);
      }
    });
  }

  /** Only the peer that was asked can answer; an answer that comes too late is dropped. */
  answer(peer: Peer, id: number, settle: (asked: PendingRequest) => void): void {
    const asked = this.#asked.get(id);
    if (asked?.peer === peer) settle(asked);
  }

  /** Rejects what a peer was asked, or everything. */
  fail(error: Error, peer?: Peer): void {
    for (const asked of [...this.#asked.values()]) {
      if (!peer || asked.peer === peer) asked.reject(error);
    }
  }
}
