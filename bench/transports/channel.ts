import { once } from 'node:events';
import { Channel, type ChannelHandle, type WaitStrategy } from '../../src/index.js';
import { type Ack, ackBytes, type Order, readAck, writeAck } from '../messages.js';
import type { ReceiverContext, Sender, SenderContext, Transport } from './transport.js';

/** How a variant uses the channel; both ends alike. */
interface Variant {
  name: string;
  label: string;
  codec: 'bytes' | 'structured';
  wait: WaitStrategy;
}

type Message = Uint8Array | Order | Ack;

/** Microseconds of polling before an end sleeps; the default is 20. */
const spin = 50;

export const channels: Transport[] = [
  variant({ name: 'channel', label: 'channel', codec: 'bytes', wait: 'park' }),
  variant({
    name: 'channel-asleep',
    label: 'channel, no polling',
    codec: 'bytes',
    wait: { spin: 0 },
  }),
  variant({ name: 'channel-spin', label: 'channel, spin', codec: 'bytes', wait: { spin } }),
  variant({
    name: 'channel-structured',
    label: 'channel, structured',
    codec: 'structured',
    wait: 'park',
  }),
];

function variant(options: Variant): Transport {
  return {
    name: options.name,
    label: options.label,
    places: ['process', 'thread'],
    polls: options.wait !== 'park',
    send: context => send(context, options),
    receive: context => receive(context, options),
  };
}

async function send(
  { trial, outgoing, start }: SenderContext,
  { codec, wait }: Variant,
): Promise<Sender> {
  const channel = Channel.create<Message>({ capacity: trial.capacity, codec, wait });
  await start(channel.handle);
  const next =
    codec === 'bytes'
      ? (last: boolean) => outgoing.next(last)
      : (last: boolean) => outgoing.nextOrder(last);
  return {
    async batch(count) {
      const answer = once(channel, 'message') as Promise<[Ack | Uint8Array]>;
      for (let i = 1; i <= count; i++) {
        const message = next(i === count);
        while (!channel.send(message)) await channel.ready();
      }
      const [ack] = await answer;
      outgoing.check(ack instanceof Uint8Array ? readAck(ack, 0) : ack);
    },
    close: () => void channel.close(),
  };
}

function receive({ handover, incoming, ready }: ReceiverContext, { codec, wait }: Variant): void {
  const channel = Channel.open<Message>(handover as ChannelHandle, { codec, wait });
  const ack = Buffer.alloc(ackBytes);
  channel.on('message', message => {
    if (message instanceof Uint8Array) {
      const last = incoming.accept(message, 0, message.length);
      if (last) channel.send(writeAck(ack, incoming.ack));
    } else if (incoming.acceptOrder(message as Order)) {
      channel.send({ ...incoming.ack });
    }
  });
  ready();
}
