// Rings that a dialer writes to before the listener has answered.
import { once } from 'node:events';
import { rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { type Channel, type Listener, listenChannel, reap } from '../../../src/index.js';
import { channelKind } from '../../../src/transport/channel/link-kind.js';
import type { MessageRings } from '../../../src/transport/channel/message-rings.js';
import { dialLink, type EarlyUse } from '../../../src/transport/link/dial-link.js';
import type { Shared } from '../../../src/transport/link/sharing.js';
import { halves } from '../../../src/transport/ring/memory.js';
import { Ring } from '../../../src/transport/ring/ring.js';
import { rejected } from '../../support/errors.js';
import { leftLinks, socketPath } from '../../support/platform.js';
import { message, sibling, start } from '../../support/processes.js';
import type { EarlyOrders } from './early-peer.js';
import { rawListener } from './raw-peer.js';

const script = sibling(import.meta.url, './early-peer.js');
const kind = channelKind({ codec: 'bytes' });
const capacity = 65_536;

/** Writes at once, and remembers what was taken back. */
class Early implements EarlyUse<MessageRings> {
  taken: string[] = [];
  problem: string | Error | undefined;
  readonly #written: string[];

  constructor(written: string[]) {
    this.#written = written;
  }

  rings({ ends }: Shared<MessageRings>): void {
    for (const text of this.#written)
      expect(ends.output.tryWrite(Buffer.from(text))).to.equal(true);
  }

  takeBack({ region }: Shared<MessageRings>, problem: string | Error): void {
    this.problem = problem;
    const consumer = Ring.attach(halves(region)[0]).consumer({ first: true });
    for (let bytes; (bytes = consumer.tryRead());) this.taken.push(Buffer.from(bytes).toString());
    consumer.close();
  }
}

describe('Rings in use before the handshake', function () {
  this.timeout(30_000);
  const address = () => socketPath('early.sock');
  let listener: Listener<Channel<Uint8Array>> | undefined;
  let got: string[] = [];

  async function listen(options: object = {}): Promise<void> {
    got = [];
    listener = await listenChannel(address(), { codec: 'bytes', ...options }, channel => {
      channel.on('message', bytes => got.push(Buffer.from(bytes).toString()));
      channel.on('error', () => {});
    });
  }

  afterEach(async () => {
    for (const channel of listener?.connections ?? []) await channel.close();
    await listener?.close();
    listener = undefined;
    expect(leftLinks()).to.deep.equal([]);
  });

  /** Waits until so many messages have come; the test's time is the limit. */
  async function until(count: number): Promise<void> {
    while (got.length < count) await new Promise(resolve => setTimeout(resolve, 5));
  }

  it('become the link', async () => {
    await listen();
    const early = new Early(['a', 'b']);
    const link = await dialLink(address(), kind, { capacity, early });
    expect(link.fallbackReason).to.equal(undefined);
    link.ends!.output.tryWrite(Buffer.from('c'));
    await until(3);
    expect(got).to.deep.equal(['a', 'b', 'c']);
    expect(early.problem).to.equal(undefined);
    link.ends!.own(link.region!, link.socket);
    await link.ends!.close();
  });

  for (const ends of ['exit', 'kill'] as const) {
    it(`are delivered where their process is gone in the same turn, by ${ends}`, async () => {
      await listen();
      const count = 20;
      const orders: EarlyOrders = { address: address(), capacity, messages: 5, ends };
      for (let i = 0; i < count; i++) await once(start(script, [JSON.stringify(orders)]), 'exit');
      await until(5 * count);
      expect(got.sort()).to.deep.equal(
        Array.from({ length: 5 * count }, (_, i) => `message ${Math.floor(i / count)}`),
      );
    });
  }

  it('wait for a listener that is busy meanwhile', async () => {
    await listen();
    const orders: EarlyOrders = { address: address(), capacity, messages: 5, ends: 'told' };
    const child = start(script, [JSON.stringify(orders)]);
    await message(child); // it is ready, and goes on at a word
    child.send('go');
    // This thread, which listens, stands still until the other process is long gone.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
    expect(got).to.deep.equal([]);
    await until(5);
  });

  const unshared: [string, object, object, RegExp][] = [
    ['a listener that shares no memory', { sharedMemory: false }, {}, /turned off/],
    ['a listener that takes less', { capacity: 4096 }, {}, /asks for others/],
    ['a dialer that has another directory', { directory: 'other' }, {}, /asks for others/],
  ];
  for (const [title, there, here, expected] of unshared) {
    it(`are taken back with ${title}`, async () => {
      const directory = join(process.env.MMAP_TRANSPORT_DIR!, 'other-directory');
      const options = 'directory' in there ? { directory } : there;
      await listen(options);
      const early = new Early(['a', 'b']);
      const link = await dialLink(address(), kind, { ...here, capacity, early });
      expect(link.fallbackReason).to.match(expected);
      expect(early.problem).to.equal(link.fallbackReason);
      expect(early.taken).to.deep.equal(['a', 'b']);
      expect(leftLinks()).to.deep.equal([]);
      link.socket.destroy();
      if ('directory' in options) rmdirSync(options.directory as string);
    });
  }

  it('are taken back where nobody listens, or one that is refused', async () => {
    const early = new Early(['a']);
    const error = await rejected(dialLink(address(), kind, { capacity, early }));
    expect(error.code).to.equal('ENOENT');
    expect(early).to.deep.include({ taken: ['a'], problem: error });
    await listen({ codec: 'string' });
    const other = new Early(['b']);
    const refused = await rejected(dialLink(address(), kind, { capacity, early: other }));
    expect(refused.code).to.equal('ERR_PROTOCOL');
    expect(other).to.deep.include({ taken: ['b'], problem: refused });
    expect(got).to.deep.equal([]);
  });

  it('are taken back once only: a listener that comes too late finds nothing', async () => {
    // It accepts, and reads the offer after the dialer has given up.
    let offered: Record<string, unknown> = {};
    const server = await rawListener(address(), async mouth => {
      offered = (await mouth.hear())!.body.offer as typeof offered;
    });
    const early = new Early(['a']);
    const late = await rejected(dialLink(address(), kind, { capacity, early, timeout: 200 }));
    expect(late.code).to.equal('ETIMEDOUT');
    expect(early.taken).to.deep.equal(['a']);
    expect(offered.name).to.match(/^link-/);
    expect(leftLinks()).to.deep.equal([]);
    server.close();
    await once(server, 'close');
    reap();
  });
});
