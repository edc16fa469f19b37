import { type Description, newDescription, tellBytes, tellPlace, tellTicket } from './messages.js';
import type { Holding, Store } from './store.js';
import { anyThreadUpTo, newestThread } from './threads.js';
import type { Ticket } from './tickets.js';

interface Sent {
  readonly ticket: Ticket;
  readonly holding: Holding;
  /** The newest thread that it can have been sent to. */
  newest: number;
}

/**
 * Payloads that went out with `pool.run`. Nobody tells this side what became of such a
 * task, so each payload has a ticket, which is looked at from time to time: the thread
 * marks it when the handler has settled.
 */
export class SentPayloads {
  readonly #store: Store;
  readonly #sent = new Set<Sent>();

  constructor(store: Store) {
    this.#store = store;
  }

  /**
   * Describes a payload to a pool that is cloning it right now.
   *
   * @throws {ShmError} `ERR_RELEASED`; the task fails with it
   */
  describe(holding: Holding): Description {
    const store = this.#store;
    const { kind, length, data } = holding;
    const description = newDescription(kind);
    // It may have ended with a task that nobody has looked at since.
    if (holding.uses > 0) this.#look(holding);
    if (holding.released) {
      throw store.error('ERR_RELEASED', 'this payload was released', 'payload.send');
    }
    const offset = holding.block?.offset ?? 0;
    const ticket = data ? undefined : store.takeTicket();
    if (!ticket) {
      if (!data) store.fallbacks++;
      tellBytes(description, data ?? store.region.bytes.slice(offset, offset + length));
      return description;
    }
    holding.uses++;
    const sent = { ticket, holding, newest: Infinity };
    this.#sent.add(sent);
    // Node tells of a new thread in the next tick; a task can be sent to it before that.
    process.nextTick(() => (sent.newest = newestThread()));
    tellPlace(description, offset, length, store.path);
    tellTicket(description, ticket);
    return description;
  }

  /** Frees what has settled, looking at so many, the oldest first. */
  sweep(limit: number): void {
    for (const sent of this.#sent) {
      if (limit-- <= 0) return;
      if (this.#ended(sent)) this.#end(sent);
      else if (limit < Infinity) {
        // To the end of the row, so that one that takes long does not hide the others.
        this.#sent.delete(sent);
        this.#sent.add(sent);
      }
    }
  }

  #look(holding: Holding): void {
    for (const sent of this.#sent) {
      if (sent.holding === holding && this.#ended(sent)) this.#end(sent);
    }
  }

  #ended({ ticket, newest }: Sent): boolean {
    const store = this.#store;
    if (store.ticketEnded(ticket)) return true;
    if (!store.ticketIsSent(ticket) || anyThreadUpTo(newest)) return false;
    // Sent, not taken, and no thread is left that it can have been sent to. Were there one
    // after all, it would find the ticket cancelled.
    let ended = false;
    store.whenTicketEnded(ticket, () => (ended = true));
    return ended;
  }

  #end(sent: Sent): void {
    if (!this.#sent.delete(sent)) return;
    this.#store.giveTicket(sent.ticket);
    this.#store.endUse(sent.holding);
  }
}
