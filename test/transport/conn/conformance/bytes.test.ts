import { createHash, randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { expect } from 'chai';
import { skip } from '../../../native/support.js';
import { rejected } from '../../../support/errors.js';
import { random, Traffic } from '../../../support/traffic.js';
import {
  type Connection,
  noHalfClose,
  overEach,
  readAll,
  readBytes,
  written,
} from '../conn-pairs.js';

/** Writes this many messages, as fast as the stream takes them. */
async function pour(end: Connection, seed: number, count: number, longest: number) {
  const traffic = new Traffic(seed, longest);
  while (traffic.count < count) {
    if (!end.write(traffic.next())) await once(end, 'drain');
  }
}

/** Compares what comes, until the end, with the messages of the same seed. */
async function compare(end: Connection, seed: number, count: number, longest: number) {
  const traffic = new Traffic(seed, longest);
  let expected: Buffer = Buffer.alloc(0);
  const check = (chunk: Buffer) => {
    for (let at = 0; at < chunk.length;) {
      if (expected.length === 0) {
        expected = traffic.next();
        continue;
      }
      const length = Math.min(expected.length, chunk.length - at);
      if (!expected.subarray(0, length).equals(chunk.subarray(at, at + length))) {
        throw new Error(`the bytes of message ${traffic.count} differ`);
      }
      expected = expected.subarray(length);
      at += length;
    }
  };
  await new Promise((resolve, reject) => {
    end.on('data', check).once('end', resolve).once('error', reject);
  });
  expect(expected.length, 'bytes missing').to.equal(0);
  while (traffic.count < count) expect(traffic.next().length).to.equal(0);
  return traffic.bytes;
}

overEach('Bytes', backing => {
  it('arrive as they were written, in both directions', async () => {
    const { client, server } = await backing.pair();
    await written(client, 'hello');
    expect((await readBytes(server, 5)).toString()).to.equal('hello');
    await written(server, 'world!');
    expect((await readBytes(client, 6)).toString()).to.equal('world!');
    client.write('68c3a4', 'hex');
    expect((await readBytes(server, 3)).toString()).to.equal('hä');
    expect([client.bytesWritten, client.bytesRead]).to.deep.equal([8, 6]);
    expect([server.bytesWritten, server.bytesRead]).to.deep.equal([6, 8]);
  });

  it('go back and forth a thousand times', async () => {
    const { client, server } = await backing.pair();
    const sizes = random(3);
    server.on('data', (chunk: Buffer) => server.write(chunk));
    for (let i = 0; i < 1000; i++) {
      const message = Buffer.alloc(1 + sizes(300), i);
      client.write(message);
      expect((await readBytes(client, message.length)).equals(message)).to.equal(true);
    }
  });

  it('race in both directions while both sides read, small and large', async () => {
    const { client, server } = await backing.pair({ capacity: 16384, allowHalfOpen: true });
    const count = 400;
    let pouring = 2;
    const both = async (end: Connection, own: number, other: number) => {
      const reading = compare(end, other, count, 60_000);
      await pour(end, own, count, 60_000);
      pouring--;
      while (backing.isPipe && pouring > 0) await nextTurn(); // see noHalfClose
      end.end();
      return reading;
    };
    const [atClient, atServer] = await Promise.all([both(client, 1, 2), both(server, 2, 1)]);
    expect([client.bytesRead, server.bytesRead]).to.deep.equal([atClient, atServer]);
    expect([client.bytesWritten, server.bytesWritten]).to.deep.equal([atServer, atClient]);
  });

  it('of many writers at one end stay whole and in order', async () => {
    const { client, server } = await backing.pair();
    const line = (writer: number, i: number) => `${writer}:${i}:${'x'.repeat(i % 700)}\n`;
    const writers = Array.from({ length: 20 }, async (_, writer) => {
      for (let i = 0; i < 100; i++) await written(client, line(writer, i));
    });
    void Promise.all(writers).then(() => client.end());
    const next = new Array<number>(20).fill(0);
    for (const text of (await readAll(server)).toString().trimEnd().split('\n')) {
      const writer = Number.parseInt(text, 10);
      expect(`${text}\n`).to.equal(line(writer, next[writer]!++));
    }
    expect(next.every(count => count === 100)).to.equal(true);
  });

  it('of fifty connections at once do not mix', async () => {
    const pairs = await Promise.all(Array.from({ length: 50 }, () => backing.pair()));
    await Promise.all(
      pairs.map(async ({ client, server }, seed) => {
        const reading = compare(server, seed, 50, 5000);
        await pour(client, seed, 50, 5000);
        client.end();
        await reading;
      }),
    );
  });

  it('may be none: an empty write is done, and nothing arrives', async () => {
    const { client, server } = await backing.pair();
    await written(client, '');
    await written(client, Buffer.alloc(0));
    client.write('a');
    client.write('');
    client.end('');
    expect((await readAll(server)).toString()).to.equal('a');
    expect(client.bytesWritten).to.equal(1);
  });

  it('may be 100 MB in one write', async () => {
    const { client, server } = await backing.pair();
    const bytes = randomFillSync(Buffer.allocUnsafe(100_000_000));
    const done = written(client, bytes);
    client.end();
    const hash = createHash('md5');
    for await (const chunk of server) hash.update(chunk as Buffer);
    await done;
    expect(hash.digest('hex')).to.equal(createHash('md5').update(bytes).digest('hex'));
    expect([client.bytesWritten, server.bytesRead]).to.deep.equal([1e8, 1e8]);
  });

  it('wait while corked, and count as written', async () => {
    const { client, server } = await backing.pair();
    client.cork();
    const done = ['one ', 'two ', 'three'].map(text => written(client, text));
    expect([client.writableLength, client.bytesWritten]).to.deep.equal([13, 13]);
    // An answer to what is written after shows that nothing has come before.
    server.write('?');
    await readBytes(client, 1);
    expect(server.bytesRead).to.equal(0);
    client.uncork();
    expect((await readBytes(server, 13)).toString()).to.equal('one two three');
    await Promise.all(done);
    expect([client.writableLength, client.bytesWritten]).to.deep.equal([0, 13]);
  });

  it('become text where asked for, also where a character is torn', async () => {
    const { client, server } = await backing.pair();
    server.setEncoding('utf8');
    const text = 'ä€😀';
    for (const byte of Buffer.from(text)) await written(client, Buffer.of(byte));
    client.end();
    let got = '';
    for await (const piece of server) got += piece as string;
    expect(got).to.equal(text);
  });

  it('go through pipe and pipeline', async function () {
    if (backing.isPipe) skip(this, noHalfClose);
    const { client, server } = await backing.pair({ allowHalfOpen: true });
    server.pipe(server);
    const bytes = randomFillSync(Buffer.alloc(3_000_000));
    const source = new PassThrough();
    source.end(bytes);
    const back = readAll(client.pipe(createGunzip()));
    await pipeline(source, createGzip(), client);
    expect((await back).equals(bytes)).to.equal(true);
  });

  it('stop where a pipeline is aborted, and both ends close', async () => {
    const { client, server } = await backing.pair();
    const controller = new AbortController();
    const endless = async function* () {
      for (;;) yield await Promise.resolve(Buffer.alloc(10_000));
    };
    const gone = new Promise(resolve => server.once('close', resolve));
    server.on('error', () => {});
    server.resume();
    const ended = rejected(pipeline(endless(), client, { signal: controller.signal }));
    await once(server, 'data');
    controller.abort();
    expect((await ended).name).to.equal('AbortError');
    expect(client.destroyed).to.equal(true);
    await gone;
  });

  it('are what async iteration gives, and leaving it closes', async () => {
    const { client, server } = await backing.pair();
    client.write('first');
    let seen = '';
    for await (const chunk of server) {
      seen += String(chunk);
      break;
    }
    expect(seen).to.equal('first');
    expect(server.destroyed).to.equal(true);
    client.on('error', () => {});
    client.resume();
    await new Promise(resolve => client.once('close', resolve));
  });
});
