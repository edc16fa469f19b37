import { delay } from '../../timers.js';
import type { Channel } from '../channel/channel.js';
import { handshakeTimeout } from '../link/server.js';
import type { Envelope } from './envelope.js';
import type { LinkOrder } from './peer-links.js';

interface EarlyLink {
  readonly channel: Channel<Envelope>;
  readonly order: LinkOrder;
}

/** Links of peers that are not known yet, or whose id is still another one's; unread. */
export class EarlyLinks {
  readonly #links = new Map<string, EarlyLink[]>();

  /** @param isExpected whether it may still become a peer, when time is over */
  keep(instance: string, link: EarlyLink, isExpected: () => boolean): void {
    this.#links.set(instance, [...(this.#links.get(instance) ?? []), link]);
    waitAside(link.channel);
    void delay(handshakeTimeout, { ref: false }).then(() => {
      if (!isExpected()) this.drop(instance);
    });
  }

  take(instance: string): EarlyLink[] {
    const links = this.#links.get(instance) ?? [];
    this.#links.delete(instance);
    return links;
  }

  drop(instance: string): void {
    for (const { channel } of this.take(instance)) void channel.close();
  }

  dropAll(): void {
    for (const instance of this.#links.keys()) this.drop(instance);
  }
}

/** Of one that is no peer, or not yet: only the bus itself keeps the process alive. */
export function waitAside(channel: Channel<Envelope>): Channel<Envelope> {
  return channel.unref().on('error', () => {});
}
