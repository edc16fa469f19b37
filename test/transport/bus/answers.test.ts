import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { Answers } from '../../../src/transport/bus/answers.js';
import { type Envelope, EnvelopeKind } from '../../../src/transport/bus/envelope.js';
import type { Peer } from '../../../src/transport/bus/peer.js';

/** Promises go on, and the event loop does not, which has a timer that would refuse all of them. */
async function microtasks(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

describe('Requests that come before there is a handler', () => {
  let posted: Envelope[] = [];
  const peer = {
    id: 'peer',
    post(envelope: Envelope, settle: () => void) {
      posted.push(envelope);
      process.nextTick(settle);
      return () => {};
    },
  } as unknown as Peer;
  const ids = (kind: number) => posted.filter(one => one.kind === kind).map(one => one.id);

  beforeEach(() => (posted = []));

  it('wait for it, 16 MiB of them, and the others are refused at once', async () => {
    const answers = new Answers<string>('self');
    const answering = Array.from({ length: 24 }, (_, id) =>
      answers.answer(peer, id, 'value', 2 ** 20),
    );
    await microtasks();
    // Not quite 16, for what each takes besides.
    expect(ids(EnvelopeKind.failure)).to.deep.equal([15, 16, 17, 18, 19, 20, 21, 22, 23]);
    answers.setHandler(value => value);
    await Promise.all(answering);
    expect(ids(EnvelopeKind.reply)).to.deep.equal(Array.from({ length: 15 }, (_, id) => id));
  });

  it('wait for as long as the bus is being joined: nobody could set one', async () => {
    const answers = new Answers<string>('self');
    const answering = answers.answer(peer, 0, 'value');
    await delay(1500); // more than they wait afterwards
    expect(posted).to.deep.equal([]);
    answers.joined();
    answers.setHandler(value => value);
    await answering;
    expect(ids(EnvelopeKind.reply)).to.deep.equal([0]);
  });

  it('wait, one of any length, and once that is answered others', async () => {
    const answers = new Answers<string>('self');
    const answering = [100, 1].map((mebibytes, id) =>
      answers.answer(peer, id, 'value', mebibytes * 2 ** 20),
    );
    await microtasks();
    expect(ids(EnvelopeKind.failure)).to.deep.equal([1]);
    answers.setHandler(value => value);
    await Promise.all(answering);
    await answers.answer(peer, 2, 'value', 2 ** 20);
    await nextTurn();
    expect(ids(EnvelopeKind.reply)).to.deep.equal([0, 2]);
  });
});
