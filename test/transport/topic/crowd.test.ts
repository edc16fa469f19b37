import { expect } from 'chai';
import { Topic } from '../../../src/index.js';
import { message, sibling, start } from '../../support/processes.js';
import { thrown } from '../../support/errors.js';

const script = sibling(import.meta.url, './crowd-peer.js');

describe('Topic with 1,024 readers', () => {
  it('has room for them in several processes, who join and leave in any order; nothing is left', async () => {
    using topic = Topic.create<number>(undefined, { capacity: 65536 });
    const children = [1, 2, 3, 4].map(seed =>
      start(script, [JSON.stringify(topic.handle), String(seed)]),
    );
    await Promise.all(children.map(child => message(child)));
    // They have joined and left many times by now, and 256 of each are there.
    expect(topic.stats().readers).to.have.length(1024);
    expect(thrown(() => topic.subscribe()).code).to.equal('ERR_TOO_MANY_READERS');
    const answers = children.map(child => message<number>(child));
    for (let i = 1; i <= 10; i++) topic.publish(i);
    expect(await Promise.all(answers)).to.deep.equal(Array(4).fill(256 * 55));
    for (const child of children.slice(0, 2)) child.kill('SIGKILL');
    for (const child of children.slice(2)) child.send('leave');
    await Promise.all(children.map(child => new Promise(resolve => child.once('exit', resolve))));
    expect(topic.stats().readers).to.deep.equal([]);
    // The places of the killed are free again.
    const again = Array.from({ length: 1024 }, () => topic.subscribe());
    expect(topic.stats().readers).to.have.length(1024);
    for (const one of again) one.close();
  });
});
