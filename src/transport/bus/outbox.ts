import type { ShmError } from '../../errors.js';
import type { Channel } from '../channel/channel.js';
import type { Envelope } from './envelope.js';

/** What waits to be sent to a peer. */
export interface Waiting {
  readonly envelope: Envelope;
  /** What an answer takes in memory. */
  readonly answerBytes?: number;
  /** Called once it is sent, or can never be. */
  readonly settle: (error?: Error) => void;
}

/**
 * What could not be sent to a peer yet, in order: requests and answers that found the link full, and
 * what was read back from a link that came to nothing.
 */
export class Outbox {
  #waiting = new Set<Waiting>();
  #answerBytes = 0;

  /** What the answers that wait take in memory. */
  get answerBytes(): number {
    return this.#answerBytes;
  }

  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  /** @returns gives it up, if it has not been sent by then */
  add(waiting: Waiting): () => void {
    this.#waiting.add(waiting);
    this.#answerBytes += waiting.answerBytes ?? 0;
    return () => this.#remove(waiting);
  }

  #remove(waiting: Waiting): void {
    if (this.#waiting.delete(waiting)) this.#answerBytes -= waiting.answerBytes ?? 0;
  }

  /** Lets go of all answers, as if they had been sent. */
  dropAnswers(): void {
    for (const waiting of [...this.#waiting]) {
      if (waiting.answerBytes === undefined) continue;
      this.#remove(waiting);
      waiting.settle();
    }
  }

  /** What was accepted before everything that waits. */
  putBack(envelopes: readonly Envelope[], failed: (error: Error) => void): void {
    const settle = (error?: Error) => error && !isLeaving(error) && failed(error);
    const first = envelopes.map(envelope => ({ envelope, settle }));
    this.#waiting = new Set([...first, ...this.#waiting]);
  }

  /** Sends what goes in. @throws {ShmError} where the channel can take nothing any more */
  flush(channel: Channel<Envelope>): void {
    for (const waiting of this.#waiting) {
      const { envelope, settle } = waiting;
      let failure: Error | undefined;
      try {
        if (!channel.send(envelope)) return;
      } catch (error) {
        if (isLeaving(error)) throw error;
        failure = error as Error; // its own fault: the codec rejects it, or it is too long
      }
      this.#remove(waiting);
      settle(failure);
    }
  }

  /** Nothing will be sent any more. */
  fail(error: Error): void {
    const failed = [...this.#waiting];
    this.#waiting.clear();
    this.#answerBytes = 0;
    for (const { settle } of failed) settle(error);
  }
}

/** Whether a send failed only because the peer, or the link to it, is about to go. */
export function isLeaving(error: unknown): boolean {
  const { code } = error as ShmError;
  return code === 'ERR_PEER_CLOSED' || code === 'ERR_PEER_DIED' || code === 'ERR_CLOSED';
}
