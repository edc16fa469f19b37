// Brings a clone to the state where it runs: packages, addon, compiled TypeScript.
// Each step keeps a digest of what went into it and is left out while that is the same.
// `node scripts/setup.mjs packages compile` does these steps only.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { npm as runNpm, root } from './packages.mjs';

process.chdir(root);
const chosen = process.argv.slice(2);

step('packages', 'node_modules/.setup', digest(['package.json', 'package-lock.json']), () => {
  npm('ci', '--no-audit', '--no-fund', '--ignore-scripts');
});

const builtFor = `${process.platform} ${process.arch}`;
step('addon', 'build/.setup', digest(['native', 'binding.gyp'], builtFor), () => {
  // The headers of the Node that runs this, where they lie beside it: no download.
  const prefix = join(dirname(process.execPath), '..');
  const here = existsSync(join(prefix, 'include/node/node_api.h')) ? [`--nodedir=${prefix}`] : [];
  npm('exec', '--', 'node-gyp', 'rebuild', '--silent', ...here);
});

const bundler = 'scripts/bundle-auto.mjs';
const sources = ['src', 'test', 'bench', 'examples', 'tsconfig.json', bundler];
step('compile', 'dist/.setup', digest(sources, readFileSync('node_modules/.setup', 'utf8')), () => {
  rmSync('dist', { recursive: true, force: true });
  npm('exec', '--', 'tsc', '-p', '.');
  execFileSync(process.execPath, [bundler], { stdio: 'inherit' });
});

function step(name, stamp, wanted, run) {
  if (chosen.length > 0 && !chosen.includes(name)) return;
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  console.error(`setup: ${name}`);
  run();
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, wanted);
}

function npm(...args) {
  try {
    runNpm(args, { stdio: ['ignore', 'inherit', 'inherit'] });
  } catch (error) {
    console.error(`setup: \`npm ${args.join(' ')}\` failed`);
    process.exit(error.status ?? 1);
  }
}

function digest(paths, extra = '') {
  const hash = createHash('sha256').update(extra);
  for (const path of paths.flatMap(files)) hash.update(path).update(readFileSync(path));
  return hash.digest('hex');
}

function files(path) {
  if (!existsSync(path)) return [];
  try {
    return readdirSync(path)
      .sort()
      .flatMap(name => files(join(path, name)));
  } catch (error) {
    if (error.code === 'ENOTDIR') return [path];
    throw error;
  }
}
