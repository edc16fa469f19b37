import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  createReadStream,
  createWriteStream,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { inspect } from 'node:util';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { expect } from 'chai';
import { type MapFile, openFile, type ShmError } from '../../src/index.js';
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
    writeFileSync(path('empty'), '');
    using empty = openFile(path('empty'));
    expect(await bytesOf(empty.createReadStream())).to.have.length(0);
  });

  /** What comes out of a stream, or how its making or reading fails. */
  async function result(make: () => Readable): Promise<string> {
    let stream: Readable | undefined;
    try {
      stream = make();
      let count = 0;
      let kind = 'nothing';
      for await (const chunk of stream) {
        count += (chunk as Buffer | string).length;
        kind = typeof chunk === 'string' ? 'string' : (chunk as Buffer).constructor.name;
      }
      return `${count} ${kind} ${stream.destroyed}`;
    } catch (error) {
      return `${(error as ShmError).code} ${stream ? 'while read' : 'when made'}`;
    }
  }

  const aborted = AbortSignal.abort();
  const readOptions: Record<string, unknown> = {
    'no options': undefined,
    null: null,
    'an encoding': 'latin1',
    'an encoding that is none': 'nonsense',
    'a number': 5,
    'start > end': { start: 5, end: 3 },
    'start at the end': { start: size },
    'start past the end': { start: size + 1 },
    'start far past the end': { start: Number.MAX_SAFE_INTEGER },
    'end past the end': { start: 5, end: size + 100 },
    ...Object.fromEntries(
      ['start', 'end'].flatMap(name =>
        [null, undefined, -1, 1.5, '5', NaN, Infinity, -Infinity, 2 ** 53, 5n, {}, 0, 7].map(
          value => [`${name} ${inspect(value)}`, { [name]: value }],
        ),
      ),
    ),
    ...Object.fromEntries(
      [null, undefined, 1, -1, 1.5, '5', NaN, Infinity, 2 ** 40, 1 << 20].map(value => [
        `highWaterMark ${String(value)}`,
        { end: 10, highWaterMark: value },
      ]),
    ),
    ...Object.fromEntries(
      ['utf8', 'hex', 'base64', 'utf16le', 'buffer', 'nonsense', null, 5].map(encoding => [
        `encoding ${encoding}`,
        { end: 999, encoding },
      ]),
    ),
    'an aborted signal': { signal: aborted },
    'a signal that is none': { signal: 'x' },
    'no signal': { signal: null },
    'autoClose false': { autoClose: false, end: 10 },
    'autoClose 0': { autoClose: 0, end: 10 },
    'emitClose false': { emitClose: false, end: 10 },
    'objectMode and what else there is': { objectMode: true, end: 10, x: 1 },
    inherited: Object.create({ start: 3, end: 9 }),
  };
  for (const [name, options] of Object.entries(readOptions)) {
    it(`read as fs.createReadStream does: ${name}`, async () => {
      const theirs = await result(() => createReadStream(path('source'), options as object));
      expect(await result(() => file.createReadStream(options as object))).to.equal(theirs);
    });
  }

  it('write as fs.createWriteStream does', async () => {
    const write = async (make: () => Writable) => {
      try {
        const stream = make();
        const { writableHighWaterMark } = stream;
        stream.write('é');
        stream.end(Buffer.from('end'));
        await once(stream, 'finish');
        const { bytesWritten } = stream as unknown as { bytesWritten: number };
        return `${bytesWritten} ${writableHighWaterMark}`;
      } catch (error) {
        return (error as ShmError).code;
      }
    };
    using mapped = target('written');
    writeFileSync(path('theirs'), Buffer.alloc(100));
    const options: unknown[] = [
      ...[undefined, null, 'latin1', 'nonsense', { encoding: 'utf16le' }, 5, { signal: aborted }],
      ...[5, null, -1, 1.5, '5', Infinity].map(start => ({ start })),
      ...[0, 10, -1, null, 1.5].map(highWaterMark => ({ highWaterMark })),
      ...[{ autoClose: false }, { emitClose: false }, { flush: true }, { flush: 'yes' }],
    ];
    for (const given of options) {
      // With a string or null there is no saying that the file is there already.
      const flags = typeof given === 'object' && given !== null ? { flags: 'r+', ...given } : given;
      const theirs = await write(() => createWriteStream(path('theirs'), flags as object));
      const ours = await write(() => mapped.createWriteStream(given as object));
      expect(ours, JSON.stringify(given)).to.equal(theirs);
    }
    expect(Buffer.from(mapped.bytes.subarray(0, 100))).to.deep.equal(
      Buffer.concat([readFileSync(path('theirs')), Buffer.alloc(100)]).subarray(0, 100),
    );
  });

  it('tell all errors as a ShmError, and close nothing that is not theirs', async () => {
    expect(thrown(() => file.createReadStream({ start: 5, end: 3 }))).to.include({
      name: 'ShmError',
      code: 'ERR_OUT_OF_RANGE',
      operation: 'file.createReadStream',
    });
    const stream = file.createReadStream({ end: 10 });
    await bytesOf(stream);
    if (!stream.closed) await once(stream, 'close');
    expect(file.stat().size).to.equal(size);
    expect(file.at(0)).to.equal(content[0]);
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
    const beyond = mapped.createWriteStream({ start: size + 1 });
    const nothing = await rejected(pipeline(Readable.from([Buffer.from('abc')]), beyond));
    expect(nothing).to.include({ code: 'ERR_SHORT_WRITE', written: 0 });
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

  it('fail with ERR_TRUNCATED where the file was cut, within its last page too', async () => {
    for (const [name, length] of [
      ['cut to nothing', 0],
      ['cut by a byte', 9999],
    ] as const) {
      writeFileSync(path(name), Buffer.alloc(10_000, 'x'));
      using mapped = openFile(path(name), { access: 'read-write' });
      const reader = mapped.createReadStream({ highWaterMark: 1000 });
      const writer = mapped.createWriteStream({ start: 9000 });
      truncateSync(path(name), length);
      expect((await rejected(bytesOf(reader))).code).to.equal('ERR_TRUNCATED');
      const written = rejected(pipeline(Readable.from([Buffer.alloc(1000)]), writer));
      expect((await written).code).to.equal('ERR_TRUNCATED');
    }
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
