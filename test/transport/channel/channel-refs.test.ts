import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { Channel } from '../../../src/index.js';
import { pollers } from '../../../src/transport/ring/pollers.js';
import { outcome, startAlone } from '../../support/processes.js';

const index = new URL('../../../src/index.js', import.meta.url).href;

/** What a process does with a channel that it opens by its handle, and never closes. */
const uses: [what: string, program: string][] = [
  ['took one message', `channel.once('message', value => console.log(value));`],
  [
    'removes its last listener later',
    `const log = value => console.log(value);
     channel.on('message', log);
     setTimeout(() => channel.off('message', log), 200);`,
  ],
  [
    'removes all listeners, and refs it',
    `channel.on('end', () => {}).once('message', value => {
       console.log(value);
       channel.removeAllListeners().ref();
     });`,
  ],
  ['leaves its loop', `for await (const value of channel) { console.log(value); break; }`],
  [
    'listens again, unreferenced',
    `channel.once('message', value => {
       console.log(value);
       channel.unref().on('message', () => {});
     });`,
  ],
];

describe('A channel that was opened by its handle', function () {
  this.timeout(60_000);

  for (const wait of ['park', 'busy']) {
    for (const [what, use] of uses) {
      it(`keeps no process alive that ${what}, waiting by ${wait}`, async () => {
        const channel = Channel.create();
        channel.send('first');
        const program = `
          import { Channel } from ${JSON.stringify(index)};
          const channel = Channel.open(${JSON.stringify(channel.handle)}, { wait: '${wait}' });
          ${use}
        `;
        const child = startAlone('--input-type=module', ['--eval', program]);
        const { code, stdout, stderr } = await outcome(child);
        await channel.close();
        expect([code, stdout, stderr]).to.deep.equal([0, 'first\n', '']);
      });
    }

    it(`keeps one alive that listens again, waiting by ${wait}`, async () => {
      const channel = Channel.create();
      channel.send('first');
      const program = `
        import { Channel } from ${JSON.stringify(index)};
        const channel = Channel.open(${JSON.stringify(channel.handle)}, { wait: '${wait}' });
        channel.once('message', () => {
          setTimeout(() => {
            channel.once('message', value => console.log(value));
            channel.send('again');
          }, 50);
        });
      `;
      const ended = outcome(startAlone('--input-type=module', ['--eval', program]));
      channel.once('message', () => setTimeout(() => channel.send('second'), 200));
      const { code, stdout, stderr } = await ended;
      await channel.close();
      expect([code, stdout, stderr]).to.deep.equal([0, 'second\n', '']);
    });
  }

  it('polls again, waiting by busy, where one listens for each message anew', async () => {
    const channel = Channel.create({ wait: 'busy' });
    const other = Channel.open(channel.handle);
    const add = pollers.add.bind(pollers);
    let polls = 0;
    pollers.add = waiter => {
      polls++;
      add(waiter);
    };
    try {
      for (let i = 0; i < 5; i++) {
        const came = once(channel, 'message');
        await sleep(5); // it waits
        expect(polls).to.equal(i + 1);
        other.send(i);
        expect(await came).to.deep.equal([i]);
      }
    } finally {
      pollers.add = add;
    }
    await Promise.all([channel.close(), other.close()]);
  });
});
