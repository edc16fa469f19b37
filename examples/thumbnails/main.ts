// node dist/examples/thumbnails/main.js DIRECTORY IMAGE...: a WebP thumbnail of each image in
// the directory, made by a Piscina pool, and compared with what sharp makes without one.
import { createHash } from 'node:crypto';
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Piscina } from 'piscina';
import { type Payload, PayloadArena, runWithPayloads } from '../../src/transport/piscina/index.js';
import { thumbnail } from './task.js';

const width = 200;
const [directory, ...images] = process.argv.slice(2);
if (directory === undefined || images.length === 0) {
  console.error('thumbnails: expected DIRECTORY IMAGE...');
  process.exit(2);
}

using arena = PayloadArena.create({ bytes: 64 << 20 });
const pool = new Piscina({
  filename: new URL('./task.js', import.meta.url).href,
  workerData: { payloads: arena.handle },
});

/** Reads a file straight into the arena: the bytes are never copied in this process. */
async function load(path: string): Promise<Payload> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const payload = arena.allocate(size);
    const { bytesRead } = await file.read(payload.bytes, 0, size, 0);
    if (bytesRead < size) throw new Error(`${path} was cut short while it was read`);
    return payload;
  } finally {
    await file.close();
  }
}

const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

async function make(path: string): Promise<string> {
  const image = await load(path);
  const { length } = image;
  using result = await runWithPayloads<Buffer>(pool, { image, width }, { borrow: true });
  const target = join(directory!, `${basename(path)}.webp`);
  await writeFile(target, result.value);
  const expected = await thumbnail(await readFile(path), width);
  const same = digest(await readFile(target)) === digest(expected);
  if (!same) process.exitCode = 1;
  const verdict = same ? 'the same without the pool' : 'NOT the same without the pool';
  return `${target}: ${length} bytes to ${result.value.length}, ${verdict}`;
}

try {
  await mkdir(directory, { recursive: true });
  for (const line of await Promise.all(images.map(make))) console.log(line);
  const { blocks, fallbacks } = arena.stats();
  console.log(`arena: ${blocks} blocks in use, ${fallbacks} cloned`);
} catch (error) {
  console.error(`thumbnails: ${(error as Error).message}`);
  process.exitCode = 1;
} finally {
  await pool.destroy();
}
