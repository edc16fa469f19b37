// npm run fuzz [cases] [first]: prints how the handshakes ended; fails at the first that it must not.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const parent = process.platform === 'linux' ? '/dev/shm' : tmpdir();
const directory = mkdtempSync(join(parent, 'mmap-transport-fuzz-'));
process.env.MMAP_TRANSPORT_DIR = directory;
process.on('uncaughtException', error => {
  console.error('uncaught:', error);
  process.exitCode = 1;
});

const { fuzzHandshakes } = await import('./handshake.js');
const [cases = 1_000_000, first = 0] = process.argv.slice(2).map(Number);
const batch = 10_000;
const total: Record<string, number> = {};
const started = Date.now();
try {
  for (let from = first; from < first + cases; from += batch) {
    const to = Math.min(from + batch, first + cases);
    const { outcomes } = await fuzzHandshakes(from, to);
    for (const [code, count] of Object.entries(outcomes)) total[code] = (total[code] ?? 0) + count;
    const { rss } = process.memoryUsage();
    console.error(
      `${to - first} cases, ${Math.round(rss / 2 ** 20)} MiB, ${Math.round((Date.now() - started) / 1000)} s`,
    );
  }
  const left = readdirSync(directory).filter(name => name.startsWith('link-'));
  if (left.length > 0) throw new Error(`left: ${left.join(', ')}`);
  console.log(JSON.stringify({ cases, first, node: process.version, outcomes: total }));
} finally {
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
}
