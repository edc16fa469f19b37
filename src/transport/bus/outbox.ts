import { ShmError } from '../../errors.js';
import type { Channel } from '../channel/channel.js';
import type { Envelope } from './envelope.js';

/** What waits to be sent to a peer. */
export interface Waiting {
  readonly envelope: Envelope;
  /** Called once it is sent, or can never be. */
  readonly settle: (error?: Error) => void;
}

/**
 * What could not be sent to a peer yet, in order: requests and answers that found the link full, and
 * what was read back from a link that came to nothing.
 */
export class Outbox {
  #waiting: Waiting[] = [];

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** @returns gives it up, if it has not been sent by then */
  add(waiting: Waiting): () => void {
    this.#waiting.push(waiting);
    return () => {
      const at = this.#waiting.indexOf(waiting);
      if (at >= 0) this.#waiting.splice(at, 1);
    };
  }

  /** What was accepted before everything that waits. */
  putBack(envelopes: readonly Envelope[], failed: (error: Error) => void): void {
    const settle = (error?: Error) => error && !isLeaving(error) && failed(error);
    this.#waiting.unshift(...envelopes.map(envelope => ({ envelope, settle })));
  }

  /** Sends what goes in. @throws {ShmError} where the channel can take nothing any more */
  flush(channel: Channel<Envelope>): void {
    while (this.#waiting.length > 0) {
      const { envelope, settle } = this.#waiting[0]!;
      try {
        if (!channel.send(envelope)) return;
      } catch (error) {
        if (isLeaving(error)) throw error;
        this.#waiting.shift();
        settle(error as Error); // its own fault: the codec rejects it, or it is too long
        continue;
      }
      this.#waiting.shift();
      settle();
    }
  }

  /** Nothing will be sent any more. */
  fail(error: Error): void {
    for (const { settle } of this.#waiting.splice(0)) settle(error);
  }
}

/** Whether a send failed only because the peer, or the link to it, is about to go. */
export function isLeaving(error: unknown): boolean {
  const { code } = error as ShmError;
  return code === 'ERR_PEER_CLOSED' || code === 'ERR_PEER_DIED' || code === 'ERR_CLOSED';
}
