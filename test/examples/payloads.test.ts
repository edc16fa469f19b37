import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect } from 'chai';
import { outcome, sibling, start } from '../support/processes.js';
import { random } from '../support/traffic.js';

const run = (name: string, ...args: string[]) =>
  outcome(
    start(sibling(import.meta.url, `../../examples/${name}/main.js`), args, { silent: true }),
  );

describe('Examples of payloads', () => {
  let home: string;
  before(() => (home = mkdtempSync(join(tmpdir(), 'payloads-'))));
  after(() => rmSync(home, { recursive: true }));

  it('thumbnails of real image files, the same as without the pool', async () => {
    const { default: sharp } = await import('sharp');
    // The project's own chart, and what a camera might give: large, and hardly compressible.
    const next = random(5);
    const raw = { width: 1600, height: 1200, channels: 3 } as const;
    const pixels = Buffer.alloc(raw.width * raw.height * 3);
    for (let i = 0; i < pixels.length; i++) pixels[i] = ((i / 97) & 0xff) ^ next(32);
    const camera = sharp(pixels, { raw });
    const images = [sibling(import.meta.url, '../../../docs/benchmarks.svg')];
    for (const format of ['jpeg', 'png', 'webp'] as const) {
      images.push(join(home, `photo.${format}`));
      await camera.clone().toFormat(format).toFile(images.at(-1)!);
    }
    const target = join(home, 'thumbnails');
    const { code, stdout, stderr } = await run('thumbnails', target, ...images);
    expect(stderr).to.equal('');
    expect(stdout.match(/, the same without the pool$/gm)).to.have.length(4);
    expect(stdout).to.match(/arena: 0 blocks in use, 0 cloned\n$/);
    expect(code).to.equal(0);
    for (const name of ['benchmarks.svg', 'photo.jpeg', 'photo.png', 'photo.webp']) {
      const { format, width } = await sharp(join(target, `${name}.webp`)).metadata();
      expect({ format, width }).to.deep.equal({ format: 'webp', width: 200 });
    }
  });

  it('thumbnails says which file is not an image', async () => {
    const { code, stderr } = await run('thumbnails', home, '/no/such/image');
    expect(stderr).to.match(/^thumbnails: ENOENT/);
    expect(code).to.equal(1);
  });

  it('gzip of a large file in parallel chunks, the same as by one thread', async () => {
    const next = random(9);
    const words = Array.from({ length: 500 }, () => next(1e9).toString(36));
    const text: string[] = [];
    for (let i = 0; i < 1_200_000; i++) text.push(words[next(500)]!);
    const path = join(home, 'text');
    const target = join(home, 'text.gz');
    writeFileSync(path, text.join(' '));
    const { code, stdout, stderr } = await run('gzip-chunks', path, target);
    expect(stderr).to.equal('');
    expect(stdout).to.match(/, 0 cloned\n.*\nthe same as by one thread\nunpacks to the file\n$/);
    expect(code).to.equal(0);
    expect(gunzipSync(readFileSync(target)).equals(readFileSync(path))).to.equal(true);
  });
});
