import type { Ack, Order } from '../messages.js';
import { Answers } from './answers.js';
import type { ReceiverContext, Sender, SenderContext, Transport } from './transport.js';

type Serialization = 'json' | 'advanced';

/** Bytes sent before the sender waits until the channel has taken them. */
const windowBytes = 256 * 1024;
const windowMessages = 64;

export const processSend: Transport[] = [
  variant('process-send-json', 'process.send, json', 'json', false),
  variant('process-send-advanced', 'process.send, advanced', 'advanced', false),
  variant('process-send-structured', 'process.send advanced, structured', 'advanced', true),
];

function variant(
  name: string,
  label: string,
  serialization: Serialization,
  structured: boolean,
): Transport {
  return {
    name,
    label,
    places: ['process'],
    polls: false,
    send: context => send(context, serialization, structured),
    receive: context => receive(context, serialization),
  };
}

async function send(
  context: SenderContext,
  serialization: Serialization,
  structured: boolean,
): Promise<Sender> {
  const { trial, outgoing } = context;
  const peer = (await context.start(undefined, serialization)).process!;
  const answers = new Answers<Ack>();
  peer.on('message', answers.give);
  // JSON would turn a Buffer into an array of numbers; a string is what it is good at.
  const next = (last: boolean) => {
    if (structured) return outgoing.nextOrder(last);
    return serialization === 'json' ? outgoing.nextText(last) : outgoing.next(last);
  };
  const window = Math.min(windowMessages, Math.max(1, Math.floor(windowBytes / trial.size)));

  return {
    async batch(count) {
      const answer = answers.next();
      for (let i = 1; i <= count; i++) {
        const message = next(i === count);
        if (i % window !== 0) peer.send(message);
        else await new Promise(sent => peer.send(message, sent));
      }
      outgoing.check(await answer);
    },
    close: () => peer.disconnect(),
  };
}

function receive({ incoming, ready }: ReceiverContext, serialization: Serialization): void {
  const acknowledge = (last: boolean): void => {
    if (last) process.send!({ ...incoming.ack });
  };
  if (serialization === 'json') {
    process.on('message', (text: string) => acknowledge(incoming.acceptText(text)));
  } else {
    process.on('message', (message: Uint8Array | Order) =>
      acknowledge(
        message instanceof Uint8Array
          ? incoming.accept(message, 0, message.length)
          : incoming.acceptOrder(message),
      ),
    );
  }
  ready();
}
