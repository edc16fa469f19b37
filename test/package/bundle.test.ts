import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { build } from 'esbuild';
import { addonPath } from 'mmap-transport/addon';
import { outcome, sibling, startNode } from '../support/processes.js';
import { scratch } from '../native/support.js';

const root = sibling(import.meta.url, '../../../');

/** The other bundlers: `npm run bundlers`. */
describe('A program that esbuild has bundled', () => {
  const path = scratch();

  /** @returns the bundle's path, in a folder from which no package can be found */
  async function bundle(format: 'esm' | 'cjs'): Promise<string> {
    const folder = path(format);
    mkdirSync(folder);
    const source = join(folder, 'source.mjs');
    writeFileSync(
      source,
      `import { Ring } from ${JSON.stringify(join(root, 'dist/src/index.js'))};
      const ring = Ring.create({ capacity: 4096 });
      ring.producer().writeSync(Buffer.from('works'));
      console.log(Buffer.from(ring.consumer().readSync()).toString());
      ring.close();`,
    );
    const outfile = join(folder, format === 'esm' ? 'program.mjs' : 'program.cjs');
    const options = { bundle: true, platform: 'node', logLevel: 'error' } as const;
    await build({ ...options, entryPoints: [source], format, outfile });
    return outfile;
  }

  for (const format of ['esm', 'cjs'] as const) {
    it(`names what to do without its addon, and finds it beside itself or by the variable: ${format}`, async () => {
      const program = await bundle(format);
      const ran = (env: Record<string, string> = {}) =>
        outcome(startNode([program], { env: { ...process.env, ...env } }));
      const { code, stderr } = await ran();
      expect(code).to.equal(1);
      expect(stderr)
        .to.include('ERR_UNSUPPORTED: a bundler has put this package into')
        .and.to.include('--external:mmap-transport')
        .and.to.include('MMAP_TRANSPORT_ADDON');

      const named = await ran({ MMAP_TRANSPORT_ADDON: addonPath() });
      expect([named.stdout, named.stderr]).to.deep.equal(['works\n', '']);
      const broken = join(program, '../broken.node');
      writeFileSync(broken, 'no library');
      const wrong = await ran({ MMAP_TRANSPORT_ADDON: broken });
      expect(wrong.stderr).to.match(/ERR_UNSUPPORTED: .*, which MMAP_TRANSPORT_ADDON names,/);

      copyFileSync(addonPath(), join(program, '../mmap-transport.node'));
      const beside = await ran();
      expect([beside.stdout, beside.stderr]).to.deep.equal(['works\n', '']);
    });
  }
});
