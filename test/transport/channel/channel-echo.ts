import type { Channel } from '../../../src/index.js';
import { Traffic } from '../../support/traffic.js';

/**
 * Sends messages of up to `longest` bytes to a peer that sends them back. Resolves when all
 * have come back, each compared, in order; fails at the first that differs.
 */
export async function echoed(
  channel: Channel<Uint8Array>,
  total: number,
  longest: number,
): Promise<void> {
  const sent = new Traffic(longest, longest);
  const seen = new Traffic(longest, longest);
  const all = new Promise<void>(resolve => {
    channel.on('message', value => {
      seen.verify(value);
      if (seen.count === total) resolve();
    });
  });
  while (sent.count < total) {
    const value = sent.next();
    while (!channel.send(value)) await channel.ready();
  }
  await all;
}
