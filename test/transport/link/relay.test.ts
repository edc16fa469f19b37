// A relay stands between the two sides of a handshake: what it sees of them, and what it can do.
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { expect } from 'chai';
import { type Conn, dial, listen, type Listener } from '../../../src/index.js';
import { leftLinks, socketPath } from '../../support/platform.js';
import { readBytes } from '../conn/conn-pairs.js';

const secret = 'the words that go between them';

describe('A relay between dialer and listener', function () {
  this.timeout(30_000);
  const there = () => socketPath('there.sock');
  const here = () => socketPath('here.sock');
  let listener: Listener<Conn>;
  let relay: Server;
  /** All bytes that went through, and the sockets they went by. */
  let seen = '';
  let sockets: Socket[] = [];

  async function open(options: object, change = (bytes: Buffer) => bytes): Promise<Conn> {
    [seen, sockets] = ['', []];
    listener = await listen(there(), options, conn => {
      conn.on('error', () => {});
      conn.pipe(conn);
    });
    relay = createServer(near => {
      const far = connect(there());
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        sockets.push(from);
        from.on('error', () => {});
        from.on('close', () => to.destroy());
        from.on('data', bytes => {
          seen += bytes.toString('latin1');
          to.write(change(bytes));
        });
      }
    }).listen(here());
    await once(relay, 'listening');
    return dial(here());
  }

  afterEach(async () => {
    for (const conn of listener.connections) conn.destroy();
    await listener.close();
    for (const socket of sockets) socket.destroy();
    relay.close();
    await once(relay, 'close');
    expect(leftLinks()).to.deep.equal([]);
  });

  it('is passed by in shared memory, and can end the connection', async () => {
    const conn = await open({});
    expect(conn.transport).to.equal('shared-memory');
    conn.write(secret);
    expect(String(await readBytes(conn, secret.length))).to.equal(secret);
    expect(seen).to.include('"offer"').and.not.include(secret);
    const failed = once(conn.resume(), 'error') as Promise<[NodeJS.ErrnoException]>;
    for (const socket of sockets) socket.destroy();
    expect((await failed)[0].code).to.equal('ECONNRESET');
  });

  it('reads and changes what goes over the socket, unnoticed', async () => {
    const upper = (bytes: Buffer) =>
      bytes.includes(secret) ? Buffer.from(bytes.toString().toUpperCase()) : bytes;
    const conn = await open({ sharedMemory: false }, upper);
    expect(conn.transport).to.equal('socket');
    conn.write(secret);
    expect(String(await readBytes(conn, secret.length))).to.equal(secret.toUpperCase());
    expect(seen).to.include(secret);
    const closed = once(conn.resume(), 'close');
    conn.end();
    await closed;
  });
});
