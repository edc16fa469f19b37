// node dist/examples/gzip-chunks/main.js FILE TARGET: compresses a file in chunks, in parallel.
// Gzip files may be joined end to end, so any gunzip reads the target. It is compared with
// what one thread makes of the same chunks, and unpacked again.
import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { Piscina } from 'piscina';
import { openFile } from '../../src/index.js';
import { PayloadArena, runWithPayloads } from '../../src/transport/piscina/index.js';
import { compress } from './task.js';

const chunkBytes = 1 << 20;
/** Chunks under way: enough for all threads, little enough for the arena. */
const most = 16;

const [path, target] = process.argv.slice(2);
if (path === undefined || target === undefined) {
  console.error('gzip-chunks: expected FILE TARGET');
  process.exit(2);
}

async function digestOf(stream: AsyncIterable<unknown>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of stream) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Compresses by the pool, and writes the chunks in their order; gives the fallbacks. */
async function byPool(bytes: Uint8Array, target: string): Promise<number> {
  using arena = PayloadArena.create({ bytes: 3 * most * chunkBytes });
  const pool = new Piscina({
    filename: new URL('./task.js', import.meta.url).href,
    workerData: { payloads: arena.handle },
  });
  const output = await open(target, 'w');
  try {
    const start = (at: number) => {
      const chunk = arena.share(bytes.subarray(at, at + chunkBytes));
      return runWithPayloads<Buffer>(pool, chunk, { borrow: true });
    };
    const running: ReturnType<typeof start>[] = [];
    for (let at = 0; at < bytes.length || running.length > 0;) {
      if (at < bytes.length && running.length < most) {
        running.push(start(at));
        at += chunkBytes;
        continue;
      }
      using compressed = await running.shift()!;
      await output.writeFile(compressed.value);
    }
    return arena.stats().fallbacks;
  } finally {
    await output.close();
    await pool.destroy();
  }
}

/** The digest of what one thread makes of the same chunks. */
function byOneThread(bytes: Uint8Array): string {
  const hash = createHash('sha256');
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    hash.update(compress(bytes.subarray(at, at + chunkBytes)));
  }
  return hash.digest('hex');
}

try {
  using file = openFile(path);
  const begin = performance.now();
  const fallbacks = await byPool(file.bytes, target);
  const middle = performance.now();
  const expected = byOneThread(file.bytes);
  const end = performance.now();
  console.log(`${path}: ${file.length} bytes to ${statSync(target).size}, ${fallbacks} cloned`);
  const seconds = (milliseconds: number) => (milliseconds / 1000).toFixed(2);
  console.log(`pool ${seconds(middle - begin)} s, one thread ${seconds(end - middle)} s`);
  const same = (await digestOf(createReadStream(target))) === expected;
  const unpacked = await digestOf(createReadStream(target).pipe(createGunzip()));
  const original = createHash('sha256').update(file.bytes).digest('hex');
  console.log(same ? 'the same as by one thread' : 'NOT the same as by one thread');
  console.log(unpacked === original ? 'unpacks to the file' : 'does NOT unpack to the file');
  if (!same || unpacked !== original) process.exitCode = 1;
} catch (error) {
  console.error(`gzip-chunks: ${(error as Error).message}`);
  process.exitCode = 1;
}
