// Makes two files of the seventy that `mmap-transport/auto` loads, from dist/: the hooks, which are
// loaded before each program and in each of its children, and what memory needs, for a process that
// needs it. As modules of CommonJS they load in half the time of ES modules.
import { build } from 'esbuild';

const sources = 'dist/src/transport/auto';
/** As deep as the sources: they find the addon from where they lie. */
const outdir = 'dist/src/bundle';
const [hooks, memory] = ['install', 'ring-traffic'];

await bundle(hooks, `export * from './${hooks}.js'; export * as timers from '../../timers.js';`, {
  name: 'memory is a file of its own',
  setup({ onResolve }) {
    onResolve({ filter: new RegExp(`/${memory}\\.js$`) }, () => ({
      path: `./${memory}.cjs`,
      external: true,
    }));
  },
});
await bundle(memory, `export * from './${memory}.js';`, {
  name: 'timers are those that were there when the hooks were loaded',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /\/timers\.js$/ }, () => ({ path: 'timers', namespace: 'hooks' }));
    onLoad({ filter: /./, namespace: 'hooks' }, () => ({
      contents: `module.exports = require('./${hooks}.cjs').timers;`,
    }));
  },
});

async function bundle(name, contents, plugin) {
  await build({
    stdin: { contents, resolveDir: sources },
    outfile: `${outdir}/${name}.cjs`,
    bundle: true,
    external: [`./${hooks}.cjs`],
    plugins: [plugin],
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    // Names stay: they are in what a stack trace shows.
    minifyWhitespace: true,
    minifySyntax: true,
    define: { 'import.meta.url': 'bundleUrl' },
    banner: { js: "const bundleUrl=require('node:url').pathToFileURL(__filename).href;" },
    logLevel: 'warning',
  });
}
