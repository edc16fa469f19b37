/** How often a spinning loop looks at the clock. */
const looks = 1 << 16;

/**
 * Keeps loops that poll from running for ever: they see no event, so neither a lost peer
 * nor a signal handler would stop them.
 */
export class Spin {
  #polls = 0;

  /** @param deadline milliseconds since the epoch */
  constructor(readonly deadline: number) {}

  /** To be called for each poll that found nothing. */
  pause(): void {
    this.#polls = (this.#polls + 1) & (looks - 1);
    if (this.#polls === 0 && Date.now() > this.deadline) {
      throw new Error('the other side did not answer in time');
    }
  }
}
