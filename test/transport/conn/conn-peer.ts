// The other end of connections, as a process or as a thread: does what its orders say.
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import {
  type Address,
  type Conn,
  dial,
  type DialOptions,
  listen,
  type ListenOptions,
} from '../../../src/index.js';

export interface Orders {
  role: 'listen' | 'dial' | 'dial-for-ever';
  address: Address;
  options?: DialOptions & ListenOptions;
  /**
   * What it does with a connection. `echo`: sends back what comes. `count`: writes numbers
   * without end. `write`: writes `bytes` bytes, says 'written' when they are on their way,
   * and idles. `exit`, `end-naturally`: writes them, then ends so. `exit-in-handler`: as soon
   * as something comes, writes them and exits at once.
   */
  does: 'echo' | 'count' | 'write' | 'exit' | 'end-naturally' | 'exit-in-handler';
  bytes?: number;
}

/** What a peer says once it is connected. */
export interface Connected {
  transport: Conn['transport'];
  fallbackReason: string | undefined;
}

/** Numbers in a row, little-endian, as `count` writes them. */
export function numbers(first: number, count: number): Buffer {
  const words = Uint32Array.from({ length: count }, (_, i) => first + i);
  return Buffer.from(words.buffer);
}

const tell = (value: unknown) =>
  parentPort ? parentPort.postMessage(value) : process.send?.(value);

async function serve(conn: Conn, { does, bytes = 0 }: Orders): Promise<void> {
  conn.on('error', () => {});
  if (does === 'echo') conn.pipe(conn);
  if (does === 'count') {
    conn.resume();
    for (let first = 0; !conn.destroyed; first += 4096) {
      if (!conn.write(numbers(first, 4096))) await once(conn, 'drain').catch(() => {});
    }
  }
  if (does === 'echo' || does === 'count') return;
  if (does === 'exit-in-handler') {
    conn.once('data', () => {
      conn.write(Buffer.alloc(bytes, 'w'));
      process.exit(0);
    });
    return;
  }
  conn.resume();
  await new Promise(resolve => conn.write(Buffer.alloc(bytes, 'w'), resolve));
  if (does === 'exit') process.exit(0);
  if (does === 'end-naturally') {
    conn.unref();
    if (isMainThread) process.disconnect();
    else parentPort!.unref();
  } else {
    tell('written');
  }
}

async function run(orders: Orders): Promise<void> {
  const { role, address, options } = orders;
  if (role === 'listen') {
    const listener = await listen(address, options, conn => void serve(conn, orders));
    listener.on('clientError', () => {});
    tell('listening');
    return;
  }
  if (role === 'dial-for-ever') {
    for (let i = 0; ; i++) {
      const conn = await dial(address, options);
      conn.on('error', () => {});
      conn.end(numbers(0, 100));
      if (i === 0) tell('dialing');
    }
  }
  const conn = await dial(address, options);
  const { transport, fallbackReason } = conn;
  tell({ transport, fallbackReason } satisfies Connected);
  await serve(conn, orders);
}

if (!isMainThread) void run(workerData as Orders);
else if (process.argv[1] === fileURLToPath(import.meta.url)) {
  void run(JSON.parse(process.argv[2]!) as Orders);
}
