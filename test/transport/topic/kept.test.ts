import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type Subscription, Topic } from '../../../src/index.js';
import { Field, headerBytes } from '../../../src/transport/topic/layout.js';
import { thrown } from '../../support/errors.js';
import { message, sibling, start } from '../../support/processes.js';

const peer = sibling(import.meta.url, './topic-peer.js');

function takeAll<T>(subscription: Subscription<T>): T[] {
  const values: T[] = [];
  for (let value; (value = subscription.readSync(0)) !== undefined;) values.push(value);
  return values;
}

describe('Topic kept in a file', () => {
  let directory: string;
  let path: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'topic-kept-'));
    path = join(directory, 'log.topic');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const create = () => Topic.create<string>('log', { path, capacity: 4096, codec: 'string' });
  const open = () => Topic.open<string>(path, { codec: 'string' });
  const fill = () => {
    using topic = create();
    for (const value of 'abcdef') topic.publish(value);
  };

  it('is read again from the oldest, and goes on behind the last', () => {
    fill();
    using reading = open();
    expect(reading.name).to.equal('log');
    const reader = reading.subscribe({ from: 'oldest' });
    expect(takeAll(reader).join('')).to.equal('abcdef');
    expect(reader.ended).to.equal('closed');
    const { position } = reader;
    using again = create();
    again.publish('g');
    expect(takeAll(reader).join('')).to.equal('g');
    expect(takeAll(open().subscribe({ from: position })).join('')).to.equal('g');
    expect(again.stats()).to.include({ records: 7, position: 7 * 32 });
  });

  it('is whole after its publisher was killed', async () => {
    const child = start(peer, ['keep', path]);
    await message(child);
    child.kill('SIGKILL');
    using reading = Topic.open<number>(path);
    const reader = reading.subscribe({ from: 'oldest' });
    expect(takeAll(reader)).to.deep.equal([0, 1, 2]);
    expect(reader.readSync(300)).to.equal(undefined);
    expect(reader.ended).to.equal('died');
  });

  it('refuses a file that was cut, or grown again, or is something else, or of another version', () => {
    fill();
    const whole = readFileSync(path);
    const check = (code: string, change: (fd: number) => void) => {
      writeFileSync(path, whole, { mode: 0o600 });
      const fd = openSync(path, 'r+');
      change(fd);
      closeSync(fd);
      expect(thrown(open).code).to.equal(code);
      expect(thrown(create).code).to.equal(code);
    };
    check('ERR_TRUNCATED', fd => ftruncateSync(fd, headerBytes + 2048));
    check('ERR_TRUNCATED', fd => {
      ftruncateSync(fd, headerBytes + 2048);
      ftruncateSync(fd, whole.length);
    });
    check('ERR_TRUNCATED', fd => ftruncateSync(fd, 100));
    check('ERR_CORRUPT', fd => ftruncateSync(fd, 0));
    check('ERR_CORRUPT', fd => writeSync(fd, 'something else', 0));
    check('ERR_VERSION', fd => writeSync(fd, Buffer.of(99), 0, 1, 4 * Field.version));
    writeFileSync(path, whole);
    expect(takeAll(open().subscribe({ from: 'oldest' })).join('')).to.equal('abcdef');
  });

  it('says so where its file is cut while it is open', () => {
    using topic = create();
    const reader = topic.subscribe();
    topic.publish('a');
    ftruncateSync(openSync(path, 'r+'), 0);
    expect(thrown(() => topic.publish('b')).code).to.equal('ERR_TRUNCATED');
    expect(thrown(() => reader.readSync(0)).code).to.equal('ERR_TRUNCATED');
    expect(thrown(() => topic.subscribe()).code).to.equal('ERR_TRUNCATED');
  });

  it('gives what is intact after a loss of power, behind a gap', () => {
    const values = Array.from({ length: 3000 }, (_, i) => String(i).padEnd(40, '.'));
    {
      using topic = Topic.create<string>(undefined, { path, capacity: 65536, codec: 'string' });
      topic.publishBatch(values);
    }
    using healthy = open();
    const all = takeAll(healthy.subscribe({ from: 'oldest' }));
    expect(all.length).to.be.within(900, 1024);
    const fd = openSync(path, 'r+');
    for (const page of [3, 4, 9])
      writeSync(fd, Buffer.alloc(4096), 0, 4096, headerBytes + page * 4096);
    closeSync(fd);
    using damaged = open();
    const reader = damaged.subscribe({ from: 'oldest' });
    let missed = 0;
    reader.on('gap', ({ records }) => (missed += records!));
    const rest = takeAll(reader);
    expect(rest.length).to.be.above(all.length - 5 * 64);
    expect(rest.length).to.be.below(all.length);
    expect(missed).to.equal(all.length - rest.length);
    for (const value of rest) expect(all).to.include(value);
    expect(new Set(rest).size).to.equal(rest.length);
    // Its publisher goes on all the same.
    using again = Topic.create<string>(undefined, { path, codec: 'string' });
    const late = again.subscribe();
    again.publish('new');
    expect(takeAll(late)).to.deep.equal(['new']);
    expect(takeAll(reader)).to.deep.equal(['new']);
  });
});
