// Makes one file of what `mmap-transport/auto` loads, from dist/: it is loaded before each program
// and in each of its children, and seventy files take several times as long. Modules are run when
// they are first asked for, so what memory needs costs next to nothing before.
import { build } from 'esbuild';

await build({
  entryPoints: ['dist/src/transport/auto/install.js'],
  // As deep as the sources: they find the addon from where they lie.
  outfile: 'dist/src/bundle/auto.cjs',
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  // Names stay: they are in what a stack trace shows.
  minifyWhitespace: true,
  minifySyntax: true,
  define: { 'import.meta.url': 'bundleUrl' },
  banner: { js: "const bundleUrl = require('node:url').pathToFileURL(__filename).href;" },
  logLevel: 'warning',
});
