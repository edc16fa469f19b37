import { delay } from '../../timers.js';
import type { Channel } from '../channel/channel.js';
import { handshakeTimeout } from '../link/server.js';
import type { Envelope } from './envelope.js';
import type { LinkOrder } from './peer-links.js';

interface EarlyLink {
  readonly channel: Channel<Envelope>;
  readonly order: LinkOrder;
}

/** Links that may wait for their peer; each holds descriptors of this process. */
const mostLinks = 256;

/**
 * Links of peers that are not known yet, or whose id is still another one's; unread. Where they are
 * too many, those that have waited longest give way: an honest peer is known within milliseconds.
 */
export class EarlyLinks {
  readonly #links = new Map<string, EarlyLink[]>();
  #count = 0;

  /** @param isExpected whether it may still become a peer, when time is over */
  keep(instance: string, link: EarlyLink, isExpected: () => boolean): void {
    const [longest] = this.#links.keys();
    if (this.#count >= mostLinks) this.drop(longest!);
    const links = this.#links.get(instance) ?? [];
    links.push(link);
    this.#links.set(instance, links);
    this.#count++;
    waitAside(link.channel);
    void delay(handshakeTimeout, { ref: false }).then(() => {
      if (!isExpected()) this.drop(instance);
    });
  }

  take(instance: string): EarlyLink[] {
    const links = this.#links.get(instance) ?? [];
    this.#links.delete(instance);
    this.#count -= links.length;
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
