import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream, readFileSync, writeFileSync } from 'node:fs';
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { expect } from 'chai';
import { type MapFile, openFile } from '../../src/index.js';
import { random } from '../support/traffic.js';
import { rejected, thrown } from '../support/errors.js';
import { scratch } from './support.js';

const size = 3_000_017;

async function bytesOf(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

describe('Mapped: streams', () => {
  const path = scratch();
  let content: Buffer;
  let file: MapFile;
  before(() => {
    const next = random(5);
    content = Buffer.from(Array.from({ length: size }, () => next(7) * next(30)));
    writeFileSync(path('source'), content);
    file = openFile(path('source'));
  });
  after(() => file.close());

  const target = (name: string) =>
    openFile(path(name), { access: 'read-write', create: true, size });

  it('pipe through zlib and back, and to and from node:fs', async () => {
    using unpacked = target('unpacked');
    await pipeline(file.createReadStream(), createGzip(), createWriteStream(path('packed')));
    expect(readFileSync(path('packed')).length).to.be.below(size);
    await pipeline(createReadStream(path('packed')), createGunzip(), unpacked.createWriteStream());
    expect(content.equals(unpacked.bytes)).to.equal(true);
    expect([file.position, unpacked.position]).to.deep.equal([0, 0]);
  });

  it('pipe to an HTTP response', async () => {
    const server = createServer((_, response) => {
      pipeline(file.createReadStream(), response).catch(() => response.destroy());
    }).listen(0);
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const [response] = (await once(get({ port, agent: false }), 'response')) as [Readable];
    const received = await bytesOf(response);
    server.close();
    expect(createHash('sha256').update(received).digest('hex')).to.equal(
      createHash('sha256').update(content).digest('hex'),
    );
  });

  it('read a part, with both ends included as in node:fs', async () => {
    for (const [start, end] of [
      [0, 0],
      [5, 104],
      [1000, 70_000],
      [size - 1, size - 1],
      [size - 5, size + 5],
      [size, size],
    ] as const) {
      const part = await bytesOf(file.createReadStream({ start, end }));
      const theirs = await bytesOf(createReadStream(path('source'), { start, end }));
      expect(part.equals(theirs), `${start} to ${end}`).to.equal(true);
    }
    expect(thrown(() => file.createReadStream({ start: size + 1 })).code).to.equal(
      'ERR_OUT_OF_RANGE',
    );
    expect(thrown(() => file.createReadStream({ highWaterMark: 0 })).code).to.equal(
      'ERR_OUT_OF_RANGE',
    );
    writeFileSync(path('empty'), '');
    using empty = openFile(path('empty'));
    expect(await bytesOf(empty.createReadStream())).to.have.length(0);
  });

  it('wait for a slow reader: no more is read ahead than the high-water mark', async () => {
    let waiting: (() => void) | undefined;
    const sink = new Writable({
      highWaterMark: 1,
      write: (_chunk, _encoding, done) => void (waiting = done),
    });
    const source = file.createReadStream({ highWaterMark: 1000 });
    let read = 0;
    source.on('data', (chunk: Buffer) => (read += chunk.length));
    source.pipe(sink);
    for (let accepted = 1; accepted <= 20; accepted++) {
      while (!waiting) await nextTurn();
      for (let i = 0; i < 5; i++) await nextTurn();
      expect(read).to.be.at.most((accepted + 2) * 1000);
      const done = waiting;
      waiting = undefined;
      done();
    }
    source.destroy();
  });

  it('tell a writer to wait beyond the high-water mark, and drain', async () => {
    using mapped = target('drained');
    const stream = mapped.createWriteStream({ highWaterMark: 100, start: 10 });
    stream.cork();
    expect(stream.write(Buffer.alloc(99, 1))).to.equal(true);
    expect(stream.write(Buffer.alloc(100, 2))).to.equal(false);
    stream.uncork();
    await once(stream, 'drain');
    expect(stream.writableLength, 'what is not corked is stored at once').to.equal(0);
    stream.end(Buffer.from('end'));
    await once(stream, 'finish');
    expect(mapped.at(9)).to.equal(0);
    expect(mapped.at(10)).to.equal(1);
    expect(Buffer.from(mapped.bytes.subarray(209, 212)).toString()).to.equal('end');
  });

  it('fail with ERR_SHORT_WRITE past the end, what fits being written', async () => {
    using mapped = target('short');
    const stream = mapped.createWriteStream({ start: size - 2 });
    const error = await rejected(pipeline(Readable.from([Buffer.from('abc')]), stream));
    expect(error).to.include({ code: 'ERR_SHORT_WRITE', written: 2 });
    expect(mapped.at(size - 1)).to.equal('b'.charCodeAt(0));
    expect(thrown(() => mapped.createWriteStream({ start: size + 1 })).code).to.equal(
      'ERR_OUT_OF_RANGE',
    );
  });

  it('fail with ERR_CLOSED when the mapping is closed under them, and end by a signal', async () => {
    const mapped = openFile(path('source'));
    const stream = mapped.createReadStream();
    await once(stream, 'readable');
    mapped.close();
    expect((await rejected(bytesOf(stream))).code).to.equal('ERR_CLOSED');
    const controller = new AbortController();
    const aborted = file.createReadStream({ signal: controller.signal });
    controller.abort();
    const [error] = (await once(aborted, 'error')) as [Error];
    expect(error.name).to.equal('AbortError');
  });

  it('give chunks that stay when the mapping goes', async () => {
    const mapped = openFile(path('source'));
    const stream = mapped.createReadStream({ highWaterMark: 100 });
    await once(stream, 'readable');
    const chunk = stream.read() as Buffer;
    stream.destroy();
    mapped.close();
    expect(chunk.equals(content.subarray(0, chunk.length))).to.equal(true);
  });
});
