import { expect } from 'chai';
import { Topic } from '../../src/index.js';
import { list, stat, told } from './support.js';

describe('The command, of topics', () => {
  it('ls, stat and top: who publishes, who reads, and how far behind each is', async () => {
    using topic = Topic.create<string>('quotes', { capacity: 65536, codec: 'string' });
    using reading = Topic.open<string>('quotes', { codec: 'string' });
    const fast = reading.subscribe();
    reading.subscribe({ whenBehind: 'wait' });
    for (let i = 0; i < 100; i++) topic.publish('a quote of 24 characters');
    while (fast.readSync(0) !== undefined);
    const [report] = (await list()).filter(({ kind }) => kind === 'topic');
    if (report?.content?.kind !== 'topic') throw new Error('there is no topic');
    const stats = report.content.topic;
    expect(stats).to.include({ name: 'quotes', records: 100, capacity: 65536, position: 4800 });
    expect(stats.publisher).to.deep.equal({ pid: process.pid, state: 'live' });
    expect(stats.readers.map(({ behind, whenBehind }) => [behind, whenBehind])).to.deep.equal([
      [0, 'skip'],
      [4800, 'wait'],
    ]);
    expect(await told('ls')).to.match(/quotes: 2 readers, the slowest 4\.69 KiB behind/);
    expect((await stat(report.name)).content).to.deep.equal(report.content);
    const text = await told('stat', report.name);
    expect(text).to.match(/^publisher +process \d+, live$/m);
    expect(text).to.match(new RegExp(`^${process.pid} +4\\.69 KiB +0 +wait +awake$`, 'm'));
    expect(await told('top', '--count', '1')).to.match(/^quotes +\d+ +2 readers +7 % +64 KiB/m);
  });
});
