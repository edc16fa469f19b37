// Makes what the package holds, before npm packs it: in a fresh clone `npm pack` is enough.
//
// For its tests a clone has in dist/ what users have no need of: comments that name source maps,
// types of the internals, and imports of packages that only the command and the bench use. Here
// these go. What remains does the same, so the clone still works; its next `npm run setup`
// compiles it anew.
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { root } from './packages.mjs';
import { targets } from './prebuild/targets.mjs';

process.chdir(root);
const vendor = 'dist/vendor';

// What `npm pack` was told, `--dry-run` for one, is not for the npm that is run from here.
for (const key of Object.keys(process.env)) {
  if (/^npm_config_(dry_run|json|pack_destination|ignore_scripts)$/i.test(key)) {
    delete process.env[key];
  }
}
script('setup.mjs', 'packages', 'compile');
if (!isPrebuilt()) script('prebuild.mjs');

// From here on dist/ is not what setup made.
rmSync('dist/.setup', { force: true });
// Not before: in a fresh clone there was no package to bundle with.
const { bundle, bundled } = await import('./prepack/bundle.mjs');
await bundle(vendor);
for (const folder of ['dist/src', 'dist/bench']) {
  for (const path of files(folder, '.js')) replace(path, published);
}
const types = declarations(Object.values(JSON.parse(readFileSync('package.json')).exports));
for (const path of files('dist/src', '.d.ts')) {
  if (types.has(path)) replace(path, forOlderTypeScript);
  else rmSync(path);
}

/** Its output must not come into that of `npm pack --json`. */
function script(name, ...args) {
  execFileSync(process.execPath, [join('scripts', name), ...args], {
    stdio: ['ignore', process.stderr, 'inherit'],
  });
}

/** Whether every addon is there, and none is older than what it is built from. */
function isPrebuilt() {
  const paths = targets.map(({ folder, file }) => join('prebuilds', folder, file));
  if (!paths.every(path => existsSync(path))) return false;
  const sources = [...files('native'), ...files('scripts/prebuild'), 'binding.gyp'];
  const time = path => statSync(path).mtimeMs;
  return Math.min(...paths.map(time)) >= Math.max(...sources.map(time));
}

/** The maps are not published, and neither are the packages that are bundled. */
function published(code, path) {
  return code
    .replace(/^\/\/# sourceMappingURL=.*\n?/m, '')
    .replace(/^(import .* from ')([\w-]+)';$/gm, (line, start, name) => {
      if (!bundled.includes(name)) return line;
      return `${start}${relative(dirname(path), join(vendor, `${name}.js`))}';`;
    });
}

/** Before TypeScript 5.7 `Uint8Array` had no parameter; this is the same type in all of them. */
function forOlderTypeScript(text) {
  return text
    .replaceAll(/\b(\w+Array)<ArrayBuffer>/g, "ReturnType<$1['slice']>")
    .replaceAll(/\b(\w+Array)<ArrayBufferLike>/g, '$1');
}

/** The files of types that the package's entries lead to. */
function declarations(entries) {
  const found = new Set();
  const add = path => {
    if (found.has(path)) return;
    found.add(path);
    const imports = readFileSync(path, 'utf8').matchAll(/(?:from |import\()'(\.[^']+)\.js'/g);
    for (const [, name] of imports) add(join(dirname(path), `${name}.d.ts`));
  };
  for (const { types } of entries) if (types) add(join(types));
  return found;
}

/** Whole or not at all: tests may be running. */
function replace(path, change) {
  const before = readFileSync(path, 'utf8');
  const after = change(before, path);
  if (after === before) return;
  writeFileSync(`${path}.new`, after);
  renameSync(`${path}.new`, path);
}

function files(folder, end = '') {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && entry.name.endsWith(end))
    .map(entry => join(entry.parentPath, entry.name));
}
