// The packages that only the command and the bench use, each made into one file of ours: who
// installs the library installs none of them.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

export const bundled = ['cli-table3', 'commander', 'tinybench'];

/** Writes a file for each, and one with the licences of all that is in them. */
export async function bundle(folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const inside = new Set();
  for (const name of bundled) {
    const { default: hasDefault } = await import(name).then(all => ({ default: 'default' in all }));
    const { metafile } = await build({
      stdin: {
        contents: `export * from '${name}';${hasDefault ? `export { default } from '${name}';` : ''}`,
        resolveDir: '.',
      },
      outfile: join(folder, `${name}.js`),
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      minify: true,
      // Those of CommonJS ask for modules of Node by `require`.
      banner: {
        js: "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);",
      },
      // cli-table3 does without where it is not there, and we colour nothing.
      external: ['@colors/colors'],
      metafile: true,
      logLevel: 'warning',
    });
    for (const path of Object.keys(metafile.inputs)) {
      const found = /^(?:.*\/)?node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path);
      if (found) inside.add(found[0]);
    }
  }
  writeFileSync(join(folder, 'THIRD-PARTY.md'), licences([...inside].sort()));
}

function licences(folders) {
  const parts = folders.map(folder => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json')));
    const file = readdirSync(folder).find(one => /^licen[cs]e/i.test(one));
    if (!file) throw new Error(`${name} has no file with its licence`);
    return `## ${name} ${version} (${license})\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
  });
  return `# Packages within this folder's files\n\n${parts.join('\n')}`;
}
