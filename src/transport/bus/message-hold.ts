import type { Channel } from '../channel/channel.js';
import { type Envelope, EnvelopeKind } from './envelope.js';

export interface HoldEvents {
  /** The peer sends no more messages: what is under way can be taken in, and is all there will be. */
  acknowledged(): void;
  /** This side may send messages again. */
  released(): void;
}

/**
 * Which of two peers may send messages to the other, as both agree over their presence.
 *
 * Messages, requests and answers share one ring. A peer that takes in no more messages, since
 * nobody listens and it holds as many as it may, would not see the answers behind them. So it asks
 * the others to send none, and reads on as soon as they have agreed: what they had sent before is
 * bounded by the ring. What it says goes over the presence, where nothing stands in front of it.
 *
 * There may be two presences, and what is said over one may be lost with it. So each side numbers
 * its changes of mind, the other heeds the highest number, and the last word is said again over the
 * presence that is left.
 */
export class MessageHold {
  readonly #events: HoldEvents;
  readonly #presences: ReadonlySet<Channel<Envelope>>;
  readonly #mostUnderWay: number;
  /** Bytes of messages that came since this side asked for none. */
  #underWay = 0;
  /** Counts this side's changes of mind; 0: it has said nothing. */
  #word = 0;
  #isHolding = false;
  #isSaid = true;
  /** The peer's word, and what it was. */
  #heard = 0;
  #isHeld = false;
  #isAnswered = true;

  /**
   * @param presences to the peer, the open ones among them
   * @param mostUnderWay bytes of messages that an honest peer may have sent before it agreed
   */
  constructor(presences: ReadonlySet<Channel<Envelope>>, mostUnderWay: number, events: HoldEvents) {
    this.#presences = presences;
    this.#mostUnderWay = mostUnderWay;
    this.#events = events;
  }

  /** Whether the peer wants no messages. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Asks the peer to send no messages, or to send them again. */
  hold(isHolding: boolean): void {
    if (isHolding === this.#isHolding) return;
    this.#isHolding = isHolding;
    this.#underWay = 0;
    this.#word++;
    this.#isSaid = false;
    this.flush();
  }

  /**
   * A message has come that nobody listens for.
   *
   * @returns whether the peer sends on and on, though it was asked not to
   */
  count(bytes: number): boolean {
    if (!this.#isHolding) return false;
    this.#underWay += bytes;
    return this.#underWay > this.#mostUnderWay;
  }

  /** A presence is gone, and maybe what was said over it. */
  repeat(): void {
    this.#isSaid = this.#word === 0;
    this.flush();
  }

  /** Says what could not be said yet; when there is room in a presence. */
  flush(): void {
    const { hold, release, holding } = EnvelopeKind;
    if (!this.#isSaid) this.#isSaid = this.#say(this.#isHolding ? hold : release, this.#word);
    if (!this.#isAnswered) this.#isAnswered = this.#say(holding, this.#heard);
  }

  /** What came over a presence. */
  received({ kind, id }: Envelope): void {
    const { hold, release, holding } = EnvelopeKind;
    if (kind === holding) {
      if (this.#isHolding && id === this.#word) this.#events.acknowledged();
      return;
    }
    if ((kind !== hold && kind !== release) || id < this.#heard) return;
    this.#heard = id;
    const wasHeld = this.#isHeld;
    this.#isHeld = kind === hold;
    this.#isAnswered = !this.#isHeld;
    this.flush();
    if (wasHeld && !this.#isHeld) this.#events.released();
  }

  /** @returns false: not yet, since there is no room in the presence */
  #say(kind: Envelope['kind'], id: number): boolean {
    for (const presence of this.#presences) {
      try {
        return presence.send({ kind, id, value: undefined });
      } catch {
        // It is about to close: another one, or the peer leaves.
      }
    }
    return true;
  }
}
