/*
 * Two hundred strangers at a listener, silent, half, slow, lying and vanishing, half of them another
 * user's, while an honest peer dials again and again: it must be served through shared memory each
 * time, on a file system of 64 MiB. As root on Linux; else all strangers are of the same user, and the
 * file system is the usual one.
 *
 *   node --expose-gc dist/test/soak/strangers-soak.js [--seconds 60] [--strangers 200]
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmdirSync, rmSync, statfsSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { dial, listen } from '../../src/index.js';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    strangers: { type: 'string', default: '200' },
  },
});
const script = fileURLToPath(new URL('../transport/link/stranger.js', import.meta.url));
const isRoot = process.platform === 'linux' && process.getuid?.() === 0;
const directory = mkdtempSync(join(tmpdir(), 'mmap-transport-soak-'));
const mount = ['-t', 'tmpfs', '-o', 'size=64m,mode=0700', 'none', directory];
const isSmall = isRoot && spawnSync('mount', mount).status === 0;
process.env.MMAP_TRANSPORT_DIR = directory;

const listener = await listen({ port: 0, host: '127.0.0.1' }, conn => {
  conn.on('error', () => {});
  conn.pipe(conn);
});
let refused = 0;
listener.on('clientError', () => refused++);
const { port } = listener.address() as AddressInfo;

/** Milliseconds from the dial to its echo. */
async function serve(): Promise<number> {
  const start = performance.now();
  const conn = await dial({ port, host: '127.0.0.1' });
  if (conn.transport !== 'shared-memory') throw new Error(`a socket: ${conn.fallbackReason}`);
  conn.write('still there');
  await once(conn, 'data');
  const took = performance.now() - start;
  const closed = once(conn.resume(), 'close');
  conn.end();
  await closed;
  return took;
}

const descriptors = () =>
  process.platform === 'linux' ? readdirSync('/proc/self/fd').length : Number.NaN;
const usedBytes = () => {
  const { blocks, bfree, bsize } = statfsSync(directory);
  return isSmall ? (blocks - bfree) * bsize : Number.NaN;
};

/** Latencies, in milliseconds. */
async function measure(seconds: number): Promise<number[]> {
  const latencies: number[] = [];
  const end = performance.now() + 1000 * seconds;
  while (performance.now() < end) {
    latencies.push(await serve());
    most = Math.max(most, descriptors());
    mostBytes = Math.max(mostBytes, usedBytes());
    await delay(5);
  }
  return latencies.sort((a, b) => a - b);
}

function report(what: string, sorted: number[]): void {
  const at = (part: number) => sorted[Math.floor((sorted.length - 1) * part)]!.toFixed(1);
  console.log(
    `${what}: ${sorted.length} dials; ms: median ${at(0.5)}, 99 % ${at(0.99)}, most ${at(1)}`,
  );
}

let most = 0;
let mostBytes = 0;
const seconds = Number(values.seconds);
const each = `${Number(values.strangers) / 2}`;
const another = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
const strangers: ChildProcess[] = [];
try {
  report('alone', await measure(Math.min(5, seconds / 6)));
  const before = descriptors();
  most = 0;
  for (const user of [[], isRoot ? another : []]) {
    const [program, ...args] = [...user, process.execPath, script, `${port}`, each];
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    strangers.push(child);
    await once(child.stdout, 'data');
  }
  const used = process.cpuUsage();
  const begin = performance.now();
  refused = 0;
  const latencies = await measure(seconds);
  const { user, system } = process.cpuUsage(used);
  report(`with ${values.strangers} strangers`, latencies);
  const elapsed = (performance.now() - begin) / 1000;
  const processor = (user + system) / 1e6 / elapsed;
  console.log(
    `${refused} strangers refused, ${listener.dropped} to make room; at most ${most - before} ` +
      `descriptors more and ${Math.round(mostBytes / 1024)} KiB of shared memory; ` +
      `${Math.round(100 * processor)} % of a processor, dials included`,
  );
} finally {
  for (const child of strangers) {
    const exited = once(child, 'exit');
    child.stdin!.end();
    await exited;
  }
}
await serve();
for (const conn of listener.connections) conn.destroy();
await listener.close();
const left = readdirSync(directory).filter(name => name.startsWith('link-'));
if (left.length > 0) throw new Error(`left: ${left.join(', ')}`);
process.on('exit', () => {
  if (isSmall) spawnSync('umount', ['-l', directory]);
  if (isSmall) rmdirSync(directory);
  else rmSync(directory, { recursive: true, force: true });
});
process.exit();
