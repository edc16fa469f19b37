import { createHash, randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import tls from 'node:tls';
import fastify from 'fastify';
import { expect } from 'chai';
import { Client } from 'undici';
import { type Conn, dial, listen, type Listener } from '../../../src/index.js';
import { scratch } from '../../native/support.js';
import { rejected } from '../../support/errors.js';
import { socketPath } from '../../support/platform.js';
import { readAll, readBytes } from './conn-pairs.js';
import { certificate } from './certificate.js';

/** An agent whose connections go to one listener, whatever the URL says. */
class Agent extends http.Agent {
  dialed = 0;
  readonly #path: string;

  constructor(path: string, options: http.AgentOptions) {
    super(options);
    this.#path = path;
  }

  override createConnection(
    _options: http.ClientRequestArgs,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    this.dialed++;
    dial(this.#path).then(
      conn => callback!(null, conn),
      (error: unknown) => callback!(error as Error, undefined as never),
    );
  }
}

describe('Over a Conn', function () {
  this.timeout(60_000);
  const path = scratch();
  const at = (name: string) => socketPath(path(name));
  let listener: Listener<Conn>;

  /** Hands each connection to a server of any kind. */
  async function serve(server: { emit(event: 'connection', conn: Conn): unknown }) {
    // As `http.Server` and `tls.Server` ask `net` to: the end of a request is not yet the
    // end of its response.
    const options = { allowHalfOpen: true };
    listener = await listen(at('socket'), options, conn => server.emit('connection', conn));
  }

  afterEach(async () => {
    for (const conn of listener.connections) conn.destroy();
    await listener.close();
  });

  const get = (options: http.RequestOptions) =>
    new Promise<http.IncomingMessage>((resolve, reject) => {
      http.get({ host: 'shm', ...options }, resolve).on('error', reject);
    });

  describe('node:http', () => {
    it('keeps one connection alive for many requests', async () => {
      const server = http.createServer((request, response) => response.end(request.url));
      await serve(server);
      const agent = new Agent(at('socket'), { keepAlive: true, maxSockets: 1 });
      for (let i = 0; i < 200; i++) {
        const response = await get({ agent, path: `/${i}` });
        expect(String(await readAll(response))).to.equal(`/${i}`);
      }
      expect(agent.dialed).to.equal(1);
      const all = Array.from({ length: 50 }, async (_, i) => {
        const response = await get({ agent, path: `/at-once/${i}` });
        expect(String(await readAll(response))).to.equal(`/at-once/${i}`);
      });
      await Promise.all(all);
      expect(agent.dialed).to.equal(1);
      agent.destroy();
    });

    it('streams bodies both ways at once', async () => {
      const server = http.createServer((request, response) => request.pipe(response));
      await serve(server);
      const agent = new Agent(at('socket'), {});
      const body = randomFillSync(Buffer.alloc(5_000_000));
      const request = http.request({ host: 'shm', agent, method: 'POST' });
      request.end(body);
      const [response] = (await once(request, 'response')) as [http.IncomingMessage];
      expect((await readAll(response)).equals(body)).to.equal(true);
    });

    it('upgrades', async () => {
      const server = http.createServer();
      server.on('upgrade', (_request, conn: Conn, head: Buffer) => {
        expect(conn.transport).to.equal('shared-memory');
        conn.write('HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
        conn.write(head);
        conn.pipe(conn);
      });
      await serve(server);
      const headers = { connection: 'Upgrade', upgrade: 'echo' };
      const request = http.request({
        host: 'shm',
        agent: new Agent(at('socket'), {}),
        headers,
      });
      request.end();
      const [, conn] = (await once(request, 'upgrade')) as [http.IncomingMessage, Conn];
      conn.write('no longer HTTP');
      expect(String(await readBytes(conn, 14))).to.equal('no longer HTTP');
      conn.end();
      conn.resume();
      await once(conn, 'close');
    });

    it('aborts: each side sees the other go', async () => {
      const server = http.createServer((request, response) => {
        if (request.url === '/server') {
          response.write('some, ');
          response.once('drain', () => {});
          setImmediate(() => response.destroy());
        } else {
          request.once('close', () => server.emit('gone', request.destroyed));
          response.write('endless');
        }
      });
      await serve(server);
      const agent = new Agent(at('socket'), { keepAlive: true });
      const controller = new AbortController();
      const response = await get({ agent, path: '/client', signal: controller.signal });
      response.on('error', () => {});
      const gone = once(server, 'gone');
      controller.abort();
      expect(await gone).to.deep.equal([true]);
      const cut = await get({ agent, path: '/server' });
      expect((await rejected(readAll(cut))).code).to.equal('ECONNRESET');
      agent.destroy();
    });

    it('times a slow server out, and serves under createConnection too', async () => {
      await serve(
        http.createServer((request, response) => {
          if (request.url === '/fast') response.end('fast');
        }),
      );
      const conn = await dial(at('socket'));
      const request = http.get({ host: 'shm', createConnection: () => conn });
      request.setTimeout(50);
      await once(request, 'timeout');
      request.on('error', () => {}).destroy();
      const other = await dial(at('socket'));
      const response = await get({ createConnection: () => other, path: '/fast' });
      expect(String(await readAll(response))).to.equal('fast');
    });
  });

  it('node:tls encrypts, both ways', async () => {
    const { key, cert } = certificate;
    const server = tls.createServer({ key, cert }, socket => socket.pipe(socket));
    await serve(server);
    const client = tls.connect({ socket: await dial(at('socket')), ca: cert, host: 'localhost' });
    await once(client, 'secureConnect');
    expect([client.authorized, client.encrypted]).to.deep.equal([true, true]);
    const body = randomFillSync(Buffer.alloc(2_000_000));
    client.end(body);
    expect((await readAll(client)).equals(body)).to.equal(true);
  });

  const goodbyes = [
    { version: 'TLSv1.2', sharedMemory: true },
    { version: 'TLSv1.3', sharedMemory: true },
    { version: 'TLSv1.2', sharedMemory: false },
  ] as const;
  for (const { version, sharedMemory } of goodbyes) {
    const way = sharedMemory ? 'in shared memory' : 'over the socket';
    it(`${version} says goodbye to a peer that has gone, which is no error, ${way}`, async () => {
      const { key, cert } = certificate;
      const server = tls.createServer({ key, cert, maxVersion: version });
      await serve(server);
      const accepted = once(server, 'secureConnection') as Promise<[tls.TLSSocket]>;
      const conn = await dial(at('socket'), { sharedMemory });
      const client = tls.connect({ socket: conn, ca: cert, host: 'localhost' });
      // What else the server says by itself, after the handshake: TLS 1.3 has two tickets.
      const tickets = new Promise<void>(resolve => {
        let count = version === 'TLSv1.3' ? 2 : 1;
        client.on('session', () => --count === 0 && resolve());
      });
      await once(client, 'secureConnect');
      await tickets;
      const [socket] = await accepted;
      expect(socket.getProtocol()).to.equal(version);
      const [theirs] = listener.connections;
      const errors: unknown[] = [];
      for (const one of [socket, theirs!]) one.on('error', error => errors.push(error));
      const gone = once(theirs!, 'close');
      const isClosed = once(conn, 'close');
      conn.destroy(); // without a goodbye of its own
      socket.resume().once('end', () => void isClosed.then(() => socket.end()));
      expect([await gone, errors]).to.deep.equal([[false], []]);
    });
  }

  it('node:http2 has many streams at once', async () => {
    const server = http2.createServer();
    server.on('stream', (stream, headers) => {
      stream.respond({ ':status': 200, 'x-path': headers[':path'] });
      stream.pipe(stream);
    });
    await serve(server);
    const conn = await dial(at('socket'));
    const session = http2.connect('http://shm', { createConnection: () => conn });
    await Promise.all(
      Array.from({ length: 30 }, async (_, i) => {
        const body = Buffer.alloc(100_000, i);
        const stream = session.request({ ':method': 'POST', ':path': `/${i}` });
        stream.end(body);
        const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
        expect(headers['x-path']).to.equal(`/${i}`);
        expect((await readAll(stream)).equals(body)).to.equal(true);
      }),
    );
    session.close();
    await once(session, 'close');
    server.close();
  });

  it('Fastify serves undici a file of 100 MB, down and up', async () => {
    const file = path('file');
    const copy = path('copy');
    const piece = randomFillSync(Buffer.alloc(10_000_000));
    for (let i = 0; i < 10; i++) {
      piece.writeUInt32LE(i);
      writeFileSync(file, piece, { flag: 'a' });
    }
    const digest = createHash('md5').update(readFileSync(file)).digest('hex');
    const app = fastify({ bodyLimit: 2e8, serverFactory: handler => http.createServer(handler) });
    app.addContentTypeParser('*', (_request, _body, done) => done(null));
    app.get('/file', (_request, reply) => reply.send(createReadStream(file)));
    app.put('/file', async request => {
      await pipeline(request.raw, createWriteStream(copy));
      return { digest: createHash('md5').update(readFileSync(copy)).digest('hex') };
    });
    await app.ready();
    await serve(app.server);
    const client = new Client('http://shm', {
      connect: (_options, callback) =>
        void dial(at('socket')).then(
          conn => callback(null, conn as never),
          (error: unknown) => callback(error as Error, null),
        ),
    });
    const down = await client.request({ method: 'GET', path: '/file' });
    const hash = createHash('md5');
    for await (const chunk of down.body) hash.update(chunk as Buffer);
    expect(hash.digest('hex')).to.equal(digest);
    const up = await client.request({
      method: 'PUT',
      path: '/file',
      headers: { 'content-type': 'application/octet-stream' },
      body: createReadStream(file),
    });
    expect(await up.body.json()).to.deep.equal({ digest });
    expect(listener.connections.size, 'one connection for both').to.equal(1);
    await client.close();
    await app.close();
    rmSync(file);
    rmSync(copy);
  });
});
