import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import {
  connect,
  createServer,
  type IpcNetConnectOpts,
  type OnReadOpts,
  type Socket,
} from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex, Readable } from 'node:stream';
import { type Address, Conn, dial, listen } from '../../../src/index.js';
import { socketPath } from '../../support/platform.js';

/** What the suite uses of a connection: `Conn` and `net.Socket` both have it. */
export interface Connection extends Duplex {
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly readyState: string;
  readonly timeout?: number | undefined;
  readonly connecting: boolean;
  readonly pending: boolean;
  readonly bufferSize: number;
  destroySoon(): void;
  ref(): Connection;
  resetAndDestroy(): Connection;
  setKeepAlive(on?: boolean, initialDelay?: number): Connection;
  setNoDelay(on?: boolean): Connection;
  setTimeout(timeout: number, callback?: () => void): Connection;
  unref(): Connection;
}

export interface Pair {
  client: Connection;
  server: Connection;
}

export interface PairOptions {
  allowHalfOpen?: boolean;
  /** Bytes of a ring, where there is one. */
  capacity?: number;
  /** Of the client. */
  onread?: OnReadOpts;
}

/** A way to connect two ends; the suite is written once and runs over each. */
export interface Backing {
  readonly name: string;
  readonly isTcp: boolean;
  /** Its bytes go through a pipe of Windows: see {@link noHalfClose}. */
  readonly isPipe: boolean;
  /** Connected, both ends in this thread. */
  pair(options?: PairOptions): Promise<Pair>;
}

const onWindows = process.platform === 'win32';

/** When this side has ended its half of a pipe, libuv closes it after 50 ms without data. */
export const noHalfClose = 'a pipe of Windows cannot be half-closed';

let home: string;
let sockets = 0;
const opened = new Set<Connection>();
const servers = new Set<{ close(): unknown }>();

function nextPath(): string {
  return socketPath(join(home, `socket-${sockets++}`));
}

function conns(name: string, sharedMemory: boolean, isTcp: boolean): Backing {
  return {
    name,
    isTcp,
    isPipe: onWindows && !isTcp && !sharedMemory,
    async pair({ allowHalfOpen = false, capacity, onread } = {}) {
      const address: Address = isTcp ? { port: 0, host: '127.0.0.1' } : nextPath();
      const options = { sharedMemory, allowHalfOpen, ...(capacity && { capacity }) };
      const listener = await listen(address, options);
      servers.add(listener);
      const accepted = once(listener, 'connection') as Promise<[Conn]>;
      const bound = listener.address();
      const client = await dial(
        typeof bound === 'string' ? bound : { port: bound!.port, host: '127.0.0.1' },
        { allowHalfOpen, ...(onread && { onread: onread }) },
      );
      const [server] = await accepted;
      return { client, server };
    },
  };
}

function netSockets(name: string, isTcp: boolean): Backing {
  return {
    name,
    isTcp,
    isPipe: onWindows && !isTcp,
    async pair({ allowHalfOpen = false, onread } = {}) {
      const listener = createServer({ allowHalfOpen });
      servers.add(listener);
      listener.listen(isTcp ? { port: 0, host: '127.0.0.1' } : { path: nextPath() });
      await once(listener, 'listening');
      const accepted = once(listener, 'connection') as Promise<[Socket]>;
      const bound = listener.address();
      const client = connect({
        ...(typeof bound === 'string' ? { path: bound } : { port: bound!.port, host: '127.0.0.1' }),
        allowHalfOpen,
        ...(onread && { onread }),
      } as IpcNetConnectOpts);
      await once(client, 'connect');
      const [server] = await accepted;
      return { client, server };
    },
  };
}

export const overMemory = conns('Conn in shared memory', true, false);
export const overSocket = conns('Conn over its Unix socket', false, false);

const backings: readonly Backing[] = [
  overMemory,
  overSocket,
  conns('Conn over its TCP socket', false, true),
  netSockets('net.Socket, Unix', false),
  netSockets('net.Socket, TCP', true),
];

/**
 * Runs a suite over every backing. `net.Socket` among them shows that the suite expects the right
 * thing.
 * After each test its connections are destroyed and its listeners closed.
 */
export function overEach(title: string, suite: (backing: Backing) => void): void {
  for (const backing of backings) {
    describe(`${title}: ${backing.name}`, function () {
      this.timeout(20_000);
      cleaned();
      suite({
        ...backing,
        async pair(options) {
          const pair = await backing.pair(options);
          for (const end of Object.values(pair) as Connection[]) opened.add(end);
          return pair;
        },
      });
    });
  }
}

/** Makes the folder of the sockets, and leaves nothing open after a test. */
function cleaned(): void {
  before(() => (home = mkdtempSync(join(tmpdir(), 'conn-'))));
  after(() => rmSync(home, { recursive: true }));
  afterEach(async () => {
    for (const end of opened) {
      if ((end as { closed?: boolean }).closed) continue;
      const closed = new Promise(resolve => end.once('close', resolve));
      end.on('error', () => {});
      end.destroy();
      await closed;
    }
    opened.clear();
    for (const server of servers) await server.close();
    servers.clear();
  });
}

/** Everything that comes until the end; leaves the other half open, unlike async iteration. */
export function readAll(end: Readable): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    end.on('data', (chunk: Buffer) => chunks.push(chunk));
    end.once('end', () => resolve(Buffer.concat(chunks)));
    end.once('error', reject);
  });
}

/** Exactly this many bytes; fails if more came. */
export async function readBytes(end: Duplex, count: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  while (length < count) {
    const chunk = end.read() as Buffer | null;
    if (chunk) {
      chunks.push(chunk);
      length += chunk.length;
    } else {
      await once(end, 'readable');
    }
  }
  if (length > count) throw new Error(`expected ${count} bytes, got ${length}`);
  return Buffer.concat(chunks);
}

/** Resolves once the write is done with; rejects with its error. */
export function written(end: Duplex, bytes: Uint8Array | string): Promise<void> {
  return new Promise((resolve, reject) => {
    end.write(bytes, error => (error ? reject(error) : resolve()));
  });
}

/** Resolved at 'close', with its `hadError`. */
export function closed(end: Duplex): Promise<boolean> {
  return new Promise(resolve => end.once('close', resolve));
}

/** The names of an end's events as they come; of an error, with its code. */
export function recorded(end: Connection): string[] {
  const events: string[] = [];
  for (const name of ['drain', 'end', 'finish', 'timeout']) {
    end.on(name, () => events.push(name));
  }
  end.on('error', error => events.push(`error ${(error as NodeJS.ErrnoException).code}`));
  end.on('close', (hadError: boolean) => events.push(`close ${hadError}`));
  return events;
}
