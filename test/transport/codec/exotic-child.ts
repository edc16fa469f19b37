// Receives each value twice, by process.send and by a channel, and says what it got of each.
import { createHash } from 'node:crypto';
import { Channel, type ChannelHandle } from '../../../src/index.js';
import { describeValue } from './describe-value.js';

/** Short enough to travel, and long enough to find the place. */
function told(value: unknown) {
  const text = describeValue(value);
  return { start: text.slice(0, 2000), hash: createHash('sha256').update(text).digest('hex') };
}

let channel: Channel | undefined;
process.on('message', (message: { handle?: ChannelHandle; value?: unknown; ask?: true }) => {
  if (message.handle) channel = Channel.open(message.handle);
  else if (message.ask) process.send!(told((channel!.receiveSync(10_000) as [unknown])[0]));
  else process.send!(told(message.value));
});
process.send!('here');
