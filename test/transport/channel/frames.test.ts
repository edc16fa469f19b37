import { once } from 'node:events';
import { connect } from 'node:net';
import { expect } from 'chai';
import fc from 'fast-check';
import { type Channel, type Listener, listenChannel } from '../../../src/index.js';
import { FrameReader, Mark, prefix } from '../../../src/transport/channel/frames.js';
import { collect } from '../../support/garbage.js';
import { socketPath } from '../../support/platform.js';
import { encode, Mouth } from '../link/raw-peer.js';

const frame = (bytes: Uint8Array) => Buffer.concat([prefix(bytes.length), bytes]);

describe('Frames on a stream', () => {
  it('come out as they went in, however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
        fc.constantFrom(undefined, ...Object.values(Mark)),
        (messages, cuts, mark) => {
          const end = mark === undefined ? [] : [prefix(mark), Buffer.from('ignored')];
          const stream = Buffer.concat([...messages.map(frame), ...end]);
          const reader = new FrameReader(300);
          for (let at = 0, i = 0; at < stream.length; at += cuts[i++ % cuts.length]!) {
            const chunk = stream.subarray(at, at + cuts[i % cuts.length]!);
            expect(reader.take(Buffer.from(chunk))).to.equal(undefined);
          }
          expect(reader.count).to.equal(messages.length);
          expect(reader.mark).to.equal(mark);
          for (const message of messages) {
            const { bytes, offset, length } = reader.shift()!;
            expect(bytes.subarray(offset, offset + length)).to.deep.equal(Buffer.from(message));
          }
          expect([reader.shift(), reader.held]).to.deep.equal([undefined, 0]);
        },
      ),
    );
  });

  it('hold what has arrived, at most twice, and nothing of what was announced', async () => {
    const reader = new FrameReader(2 ** 30);
    await collect();
    const before = process.memoryUsage().arrayBuffers;
    reader.take(prefix(2 ** 30));
    expect(process.memoryUsage().arrayBuffers - before).to.be.below(100_000);
    for (let i = 0; i < 100; i++) reader.take(Buffer.alloc(10_000));
    expect(reader.arrived).to.equal(1_000_000);
    await collect();
    expect(process.memoryUsage().arrayBuffers - before).to.be.below(2_100_000);
  });

  it('copy a message that comes byte by byte a bounded number of times', () => {
    // Counted, not timed: what the reader copies, by the calls of copy that it makes.
    let copied = 0;
    const prototype = Buffer.prototype as unknown as {
      copy: (this: unknown, ...args: unknown[]) => number;
    };
    const { copy } = prototype;
    prototype.copy = function (...args) {
      const count = copy.apply(this, args);
      copied += count;
      return count;
    };
    try {
      const reader = new FrameReader(2 ** 20);
      const total = 300_000;
      reader.take(prefix(total));
      for (let i = 0; i < total; i++) reader.take(Buffer.from([i]));
      expect(reader.count).to.equal(1);
      expect(copied).to.be.at.most(4 * total);
    } finally {
      prototype.copy = copy;
    }
  });

  it('of nothing are not free: they count towards what is held', () => {
    const reader = new FrameReader(100);
    for (let i = 0; i < 1000; i++) reader.take(prefix(0));
    expect(reader.held).to.be.at.least(1000);
  });
});

describe('A channel over its socket', function () {
  this.timeout(30_000);
  let listener: Listener<Channel<Uint8Array>>;
  const address = () => socketPath('frames.sock');

  /** A raw peer of a channel, with all that was received and how it ended. */
  async function meet(capacity?: number) {
    listener = await listenChannel<Uint8Array>(address(), {
      codec: 'bytes',
      ...(capacity && { capacity, maxMessage: capacity }),
    });
    const accepted = once(listener, 'connection') as Promise<[Channel<Uint8Array>]>;
    const mouth = await Mouth.to(address());
    const hello = { content: 'channel of bytes', capacity: 16 << 20, fallback: 'no' };
    mouth.socket.write(encode(1, hello));
    const start = (await mouth.hear())!;
    const [channel] = await accepted;
    const got: number[] = [];
    const failed = once(channel, 'error') as Promise<[NodeJS.ErrnoException]>;
    channel.on('message', bytes => got.push(bytes.length));
    return { mouth, channel, got, failed, start };
  }

  afterEach(async () => {
    for (const channel of listener.connections) await channel.close();
    await listener.close();
  });

  it('holds no more for a peer than it has set itself, or by default', async () => {
    const { start, mouth } = await meet();
    expect(start.body.capacity).to.equal(2 ** 20);
    mouth.socket.destroy();
  });

  for (const [title, bytes, detail] of [
    ['a message longer than any', prefix(5000), /at most 4096 bytes.*got one of 5000/],
    ['a mark that means nothing', prefix(0xffff_fff5), /got mark 4294967285/],
    ['the words of a handshake', encode(3, {}), /at most 4096 bytes/],
  ] as const) {
    it(`refuses ${title}, and both ends hear of it`, async () => {
      const { mouth, got, failed } = await meet(4096);
      mouth.socket.write(Buffer.concat([frame(Buffer.alloc(10)), bytes, frame(Buffer.alloc(20))]));
      const [error] = await failed;
      expect(error.code).to.equal('ERR_PROTOCOL');
      expect(error.message).to.match(detail);
      expect(got).to.deep.equal([10]);
      const mark = Buffer.from(await mouth.hearText(1)); // no more, as a text
      expect(mark.length).to.be.above(0);
      mouth.socket.destroy();
    });
  }

  it('is told that what it sent is corrupt, or breaks the rules', async () => {
    for (const [mark, code] of [
      [Mark.corrupt, 'ERR_CORRUPT'],
      [Mark.protocol, 'ERR_PROTOCOL'],
    ] as const) {
      const { mouth, failed, channel } = await meet(4096);
      const closed = new Promise<void>(resolve => channel.once('close', resolve));
      mouth.socket.end(prefix(mark));
      expect((await failed)[0].code).to.equal(code);
      await closed;
      await listener.close();
    }
  });

  it('stops reading a peer that floods it with nothing, as long as nobody takes it', async () => {
    listener = await listenChannel<Uint8Array>(address(), { codec: 'bytes', capacity: 4096 });
    const accepted = once(listener, 'connection') as Promise<[Channel<Uint8Array>]>;
    const socket = connect(address());
    socket.on('error', () => {});
    socket.write(encode(1, { content: 'channel of bytes', fallback: 'no' }));
    const [channel] = await accepted;
    const empty = Buffer.alloc(4 * 1024 * 1024); // a million messages of nothing
    let flushed = false;
    socket.write(empty, () => (flushed = true));
    for (let i = 0; i < 20; i++) await new Promise(resolve => setTimeout(resolve, 10));
    expect(flushed, 'it took them all').to.equal(false);
    socket.destroy();
    channel.on('error', () => {});
    await channel.close();
  });
});
