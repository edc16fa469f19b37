import type { Ack } from '../messages.js';
import { Answers } from './answers.js';
import type { ReceiverContext, Sender, SenderContext, Transport } from './transport.js';

/**
 * Messages between two grants. postMessage has no back-pressure of its own, so the
 * receiver grants as many again each time it has read a window, and two may be under way.
 */
const window = 64;

/** Another window may be sent. */
const grant = 'grant';

/** `worker.postMessage` of a Buffer: a clone of its bytes. */
export const postMessage: Transport = {
  name: 'post-message',
  label: 'postMessage',
  places: ['thread'],
  polls: false,
  send,
  receive,
};

async function send({ outgoing, start }: SenderContext): Promise<Sender> {
  const thread = (await start()).thread!;
  const answers = new Answers<Ack>();
  const granted = new Answers<void>();
  let credit = 2 * window;
  thread.on('message', (message: Ack | typeof grant) => {
    if (message !== grant) return answers.give(message);
    credit += window;
    granted.give();
  });

  return {
    async batch(count) {
      const answer = answers.next();
      for (let i = 1; i <= count; i++) {
        while (credit === 0) await granted.next();
        credit--;
        thread.postMessage(outgoing.next(i === count));
      }
      outgoing.check(await answer);
    },
    close: () => void thread.terminate(),
  };
}

function receive({ incoming, port, ready }: ReceiverContext): void {
  let read = 0;
  port!.on('message', (bytes: Uint8Array) => {
    if (++read % window === 0) port!.postMessage(grant);
    if (incoming.accept(bytes, 0, bytes.length)) port!.postMessage({ ...incoming.ack });
  });
  ready();
}
