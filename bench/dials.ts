// One trial of connections: `node dials.js CLONE MILLISECONDS`, for bench/pairs.ts. A process of its own
// listens; this one dials, waits until both sides have the connection and an echo has come back, and
// destroys it, one after the other. Only what is public of the clone is used. Prints JSON: `Outcome`.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type * as Transport from '../src/index.js';
import { makeRegionHome } from './region-home.js';

/** Connections. */
export interface Outcome {
  /** A second, one after the other. */
  perSecond: number;
  /** A second of the processor, the dialer's and the listener's together. */
  perProcessorSecond: number;
}

/** What comes before it is measured: code gets compiled, and the first reap is over. */
const warmUp = 100;

const script = fileURLToPath(import.meta.url);
const [clone = '', third = ''] = process.argv.slice(2);

async function transport(): Promise<typeof Transport> {
  const url = pathToFileURL(resolve(clone, 'dist/src/index.js')).href;
  return (await import(url)) as typeof Transport;
}

/** @returns microseconds of the processor since the last call */
function used(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

async function serve(address: string): Promise<void> {
  const { listen } = await transport();
  const listener = await listen(address, conn => {
    conn.on('error', () => {});
    conn.pipe(conn);
  });
  process.on('message', () => process.send!(used()));
  process.once('disconnect', () => {
    for (const conn of listener.connections) conn.destroy();
    void listener.close();
  });
  process.send!('listens');
}

async function usedBy(child: ChildProcess): Promise<number> {
  const answer = once(child, 'message') as Promise<[number]>;
  child.send('used');
  return (await answer)[0];
}

async function run(milliseconds: number): Promise<Outcome> {
  const home = mkdtempSync(join(tmpdir(), 'mmap-transport-bench-'));
  const regions = makeRegionHome('mmap-transport-bench-');
  process.env.MMAP_TRANSPORT_DIR = regions;
  const address =
    process.platform === 'win32' ? `\\\\.\\pipe\\dials-${process.pid}` : join(home, 'socket');
  const listener = fork(script, [clone, address]);
  try {
    await once(listener, 'message');
    const { dial } = await transport();
    const one = async () => {
      const conn = await dial(address);
      if (conn.transport !== 'shared-memory')
        throw new Error(`over the socket: ${conn.fallbackReason}`);
      conn.write('x');
      await once(conn, 'data');
      const closed = once(conn, 'close');
      conn.destroy();
      await closed;
    };
    for (let i = 0; i < warmUp; i++) await one();
    const before = used() + (await usedBy(listener));
    const start = performance.now();
    let count = 0;
    let elapsed: number;
    do {
      await one();
      count++;
      elapsed = performance.now() - start;
    } while (elapsed < milliseconds);
    const processor = used() + (await usedBy(listener)) - before;
    return { perSecond: (1000 * count) / elapsed, perProcessorSecond: (1e6 * count) / processor };
  } finally {
    const exited = once(listener, 'exit');
    listener.disconnect();
    await exited;
    for (const path of [home, regions]) rmSync(path, { recursive: true, force: true });
  }
}

if (process.send) await serve(third);
else console.log(JSON.stringify(await run(Number(third))));
