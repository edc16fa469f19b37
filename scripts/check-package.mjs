// Packs the package as it would be published, and does with it what its users do: checks what
// is in it, installs it where there is no compiler and no script may run, runs README's example,
// imports it, requires it, and compiles against its types. Needs `npm run prebuild` before.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { npm, root } from './packages.mjs';
import { targets } from './prebuild/targets.mjs';

process.chdir(root);
const work = mkdtempSync(join(tmpdir(), 'mmap-transport-package-'));
const { name, exports: entries } = JSON.parse(readFileSync('package.json', 'utf8'));
const paths = Object.keys(entries).filter(entry => !entry.endsWith('.json'));
const specifiers = paths.map(entry => name + entry.slice(1));
const example = firstExample();

try {
  const tarball = pack();
  lint(tarball);
  for (const scripts of [false, true]) {
    const project = install(tarball, scripts);
    run(project);
    console.log(
      `installed ${scripts ? 'with' : 'without'} scripts: import, require, example, command`,
    );
    if (scripts) checkTypes(project);
  }
} finally {
  rmSync(work, { recursive: true });
}

/** @returns the tarball's path */
function pack() {
  for (const { folder, file } of targets) {
    if (!existsSync(join('prebuilds', folder, file))) {
      throw new Error(`expected prebuilds/${folder}/${file}: run npm run prebuild`);
    }
  }
  const output = npm(['pack', '--json', '--pack-destination', work], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const packed = JSON.parse(output);
  const [{ filename, size, unpackedSize, files }] = Array.isArray(packed)
    ? packed
    : Object.values(packed);
  const wanted = new Set(targets.map(({ folder, file }) => `prebuilds/${folder}/${file}`));
  const allowed =
    /^(package\.json|README\.md|CHANGELOG\.md|LICENSE|dist\/src\/[\w/-]+\.(js|d\.ts)|dist\/bench\/[\w/-]+\.js)$/;
  for (const { path } of files) {
    if (!wanted.delete(path) && !allowed.test(path)) throw new Error(`nobody needs ${path}`);
  }
  if (wanted.size > 0) throw new Error(`the package lacks ${[...wanted].join(', ')}`);
  const kilobytes = bytes => `${(bytes / 1024).toFixed(0)} KiB`;
  console.log(
    `package: ${files.length} files, ${kilobytes(size)} packed, ${kilobytes(unpackedSize)} unpacked`,
  );
  return join(work, filename);
}

function lint(tarball) {
  const tool = (bin, ...args) =>
    execFileSync(process.execPath, [join('node_modules', bin), ...args], { stdio: 'inherit' });
  tool('publint/src/cli.js', '--strict', tarball);
  // It is an ES module, which `require` takes in every Node that is supported. Resolution as
  // before Node 16 knows no `exports`.
  tool(
    '@arethetypeswrong/cli/dist/index.js',
    ...[tarball, '--profile', 'node16', '--ignore-rules', 'cjs-resolves-to-esm'],
    ...['--format', 'ascii', '--no-emoji'],
  );
}

/** A project that has nothing, on a machine without compiler. @returns its folder */
function install(tarball, scripts) {
  const project = join(work, scripts ? 'scripts' : 'blocked');
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "private": true }\n');
  const bin = join(work, 'bin');
  if (!existsSync(bin)) {
    mkdirSync(bin);
    for (const program of ['node', 'npm', 'sh', 'env']) {
      const path = execFileSync('which', [program], { encoding: 'utf8' }).trim();
      symlinkSync(realpathSync(path), join(bin, program));
    }
  }
  const flags = scripts ? [] : ['--ignore-scripts'];
  const { status, stdout, stderr } = spawnSync(
    'npm',
    ['install', '--no-audit', ...flags, tarball],
    {
      cwd: project,
      encoding: 'utf8',
      // Nothing of what `npm run` has set for this script, which is about another project.
      env: { PATH: bin, HOME: process.env.HOME, ...registry() },
    },
  );
  if (status !== 0) throw new Error(`npm install failed: ${stdout}${stderr}`);
  const warnings = (stdout + stderr).match(/^.*\bscripts?\b.*$/gim);
  if (warnings) throw new Error(`npm install says: ${warnings.join('\n')}`);
  return project;
}

/** Where this machine's npm fetches from, if the environment says so. */
function registry() {
  const told = Object.entries(process.env).filter(([key]) =>
    /^npm_config_(registry|userconfig|globalconfig|cache)$/i.test(key),
  );
  return Object.fromEntries(told);
}

function run(project) {
  const node = (file, content) => {
    writeFileSync(join(project, file), content);
    const { status, stdout, stderr } = spawnSync(process.execPath, [file], {
      cwd: project,
      encoding: 'utf8',
      env: { PATH: join(work, 'bin') },
    });
    if (status !== 0 || stderr) throw new Error(`${file} ended with ${status}: ${stderr}`);
    return stdout;
  };
  const both = 'if (all.some(one => Object.keys(one).length === 0)) throw new Error("empty");\n';
  const list = specifiers.map(specifier => `'${specifier}'`).join(', ');
  node('import.mjs', `const all = await Promise.all([${list}].map(one => import(one)));\n${both}`);
  node('require.cjs', `const all = [${list}].map(one => require(one));\n${both}`);
  const printed = node('example.mjs', example);
  if (printed !== 'hello\nshared\nmemory\n') throw new Error(`the example printed ${printed}`);
  const listed = command(project, 'ls', '--directory', mkdtempSync(join(work, 'regions-')));
  if (listed !== 'no regions\n') throw new Error(`ls printed ${listed}`);
  const briefly = [
    '--only',
    'throughput',
    '--sizes',
    '64',
    '--trials',
    '1',
    '--milliseconds',
    '10',
  ];
  const figures = command(project, 'bench', ...briefly);
  if (!figures.includes('process.send, advanced')) throw new Error(`bench printed ${figures}`);
}

/** @returns what `npx mmap-transport` prints there */
function command(project, ...args) {
  const program = join(project, 'node_modules/.bin', name);
  const env = { PATH: join(work, 'bin') };
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', env });
  if (status !== 0 || stderr) throw new Error(`${args[0]} ended with ${status}: ${stderr}`);
  return stdout;
}

/** The first block of README that stands in an `.mjs` file. */
function firstExample() {
  const found = /`example\.mjs`[^]*?```js\n([^]*?)```/.exec(readFileSync('README.md', 'utf8'));
  if (!found) throw new Error('README.md has no example.mjs');
  return found[1];
}

function checkTypes(project) {
  // The types of Node, as every TypeScript project has them.
  mkdirSync(join(project, 'node_modules/@types'), { recursive: true });
  for (const types of ['@types/node', 'undici-types', 'piscina']) {
    const place = join(project, 'node_modules', types);
    if (!existsSync(place)) symlinkSync(join(root, 'node_modules', types), place);
  }
  const imports = specifiers.map((specifier, i) => `import * as all${i} from '${specifier}';`);
  const uses = specifiers.map((_, i) => `export const use${i}: object = all${i};`);
  const source = `import { Ring, type RingHandle } from '${name}';
${imports.join('\n')}
using ring: Ring = Ring.create({ capacity: 65536 });
export const handle: RingHandle = ring.handle;
// @ts-expect-error a capacity is a number
Ring.create({ capacity: 'large' });
${uses.join('\n')}
`;
  writeFileSync(join(project, 'types.mts'), source);
  for (const [module, resolution] of [
    ['node16', 'node16'],
    ['esnext', 'bundler'],
  ]) {
    const options = ['--noEmit', '--strict', '--target', 'es2022', '--module', module];
    execFileSync(
      process.execPath,
      [
        join(root, 'node_modules/typescript/bin/tsc'),
        ...[...options, '--moduleResolution', resolution, '--types', 'node', 'types.mts'],
      ],
      { cwd: project, stdio: 'inherit' },
    );
    console.log(`types: resolved as ${resolution}`);
  }
}
