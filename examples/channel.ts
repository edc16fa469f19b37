// A channel between a process and its child: any structured value, both ways.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Channel, type ChannelHandle } from 'mmap-transport';

type Message = { id: number; items: Map<string, number> } | { receipt: number; at: Date };

if (process.send) {
  process.once('message', handle => {
    const channel = Channel.open<Message>(handle as ChannelHandle);
    channel.on('message', message => {
      if (!('items' in message)) return;
      console.log(`order ${message.id}: ${message.items.get('apple')} apples`);
      channel.send({ receipt: message.id, at: new Date(0) });
    });
    channel.on('end', () => process.disconnect());
  });
} else {
  const channel = Channel.create<Message>();
  fork(fileURLToPath(import.meta.url)).send(channel.handle);
  for (let id = 1; id <= 3; id++) {
    // False means that the child is behind: wait until it has made room.
    while (!channel.send({ id, items: new Map([['apple', id]]) })) await channel.ready();
  }
  for await (const message of channel) {
    if ('receipt' in message && message.receipt === 3) break;
  }
  await channel.close();
}
