import { ShmError } from '../../errors.js';
import { checkTimeout, timerLimit } from '../ring/wait.js';
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
    const limit = checkTimeout('bus.request', timeout);
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const id = (this.#lastId = (this.#lastId + 1) >>> 0);
      let timer: NodeJS.Timeout | undefined;
      const finish = () => {
        this.#asked.delete(id);
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
      };
      const fail = (error: Error) => (finish(), reject(error));
      const abort = () => fail(signal!.reason as Error);
      signal?.addEventListener('abort', abort);
      if (limit < timerLimit) {
        timer = setTimeout(() => {
          const detail = `expected an answer within ${limit} ms`;
          fail(new ShmError('ETIMEDOUT', detail, 'bus.request', peer.id));
        }, limit);
      }
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
