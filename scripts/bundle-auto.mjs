// Makes few files of the seventy that `mmap-transport/auto` loads, from dist/: it is loaded before
// each program and in each of its children, and that many take several times as long. What memory
// needs is a file of its own, which a process loads when it needs it.
import { rmSync } from 'node:fs';
import { build } from 'esbuild';

const outdir = 'dist/src/bundle';
rmSync(outdir, { recursive: true, force: true });
await build({
  entryPoints: ['install', 'ring-traffic'].map(name => `dist/src/transport/auto/${name}.js`),
  // As deep as the sources: they find the addon from where they lie.
  outdir,
  bundle: true,
  // Modules that both have are there once.
  splitting: true,
  chunkNames: 'shared',
  platform: 'node',
  format: 'esm',
  target: 'node20',
  // Names stay: they are in what a stack trace shows.
  minifyWhitespace: true,
  minifySyntax: true,
  logLevel: 'warning',
});
