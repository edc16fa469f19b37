import { ShmError } from '../../errors.js';
import { Limit } from '../../timers.js';
import { checkTimeout } from '../ring/wait.js';
import type { Peer } from './peer.js';

export interface RequestOptions {
  /** Milliseconds to wait for the answer. @default no limit */
  timeout?: number;
  /** Gives up with the signal's reason; the peer's handler runs on. */
  signal?: AbortSignal;
}

interface PendingRequest {
  peer: Peer;
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
}

/** What this peer of the bus has asked others and not been told yet. */
export class PendingRequests {
  readonly #asked = new Map<number, PendingRequest>();
  #lastId = 0;

  /**
   * @param post sends the request, with its id; may throw
   * @returns the answer
   */
  ask(
    peer: Peer,
    { timeout, signal }: RequestOptions,
    post: (id: number) => Promise<void>,
  ): Promise<unknown> {
    const milliseconds = checkTimeout('bus.request', timeout);
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const id = (this.#lastId = (this.#lastId + 1) >>> 0);
      const finish = () => {
        this.#asked.delete(id);
        limit.clear();
      };
      const fail = (error: Error) => (finish(), reject(error));
      const late = () => {
        const detail = `expected an answer within ${milliseconds} ms`;
        fail(new ShmError('ETIMEDOUT', detail, 'bus.request', peer.id));
      };
      const limit = new Limit(milliseconds, signal, late, fail);
      this.#asked.set(id, { peer, resolve: value => (finish(), resolve(value)), reject: fail });
      post(id).catch(fail);
    });
  }

  /** Only who was asked can answer; an answer that nobody waits for any more is dropped. */
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
