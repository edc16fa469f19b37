import { once } from 'node:events';
import { expect } from 'chai';
import { type Conn, listen } from '../../../src/index.js';
import { scratch, skip } from '../../native/support.js';
import { socketPath } from '../../support/platform.js';
import { message, sibling, start } from '../../support/processes.js';

const bytes = 1 << 29;
const chunkBytes = 65536;
const pagesOfChunk = chunkBytes / 4096;

interface Report {
  header: { glibcVersionRuntime?: string };
}

describe('A connection that carries much', () => {
  const path = scratch();

  it('is read into memory that the process keeps, not into new pages each time', async function () {
    const { header } = process.report.getReport() as unknown as Report;
    if (header.glibcVersionRuntime === undefined) return skip(this, 'it is the heap of glibc');
    const where = socketPath(path('heap'));
    const listener = await listen(where);
    const accepted = once(listener, 'connection') as Promise<[Conn]>;
    const peer = start(sibling(import.meta.url, './heap-peer.js'), [where, String(bytes)]);
    const [conn] = await accepted;
    const told = message<number>(peer);
    const chunk = Buffer.alloc(chunkBytes);
    for (let i = 0; i < bytes / chunkBytes; i++) {
      if (!conn.write(chunk)) await once(conn, 'drain');
    }
    conn.end();
    const faults = (await told) / (bytes / 2 / chunkBytes);
    // All of them where each chunk is new memory. On Node 26 up to a quarter: more is collected, and
    // freed, at once, and the heap's end goes back to the kernel.
    expect(faults, 'page faults a chunk').to.be.below(pagesOfChunk / 2);
    await listener.close();
  });
});
