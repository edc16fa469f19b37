// Packs the package as it would be published, and does with it what its users do: checks what
// is in it, installs it where there is no compiler and no script may run, runs README's examples and
// the command, imports it, requires it, and compiles against its types.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blocksOf } from './blocks.mjs';
import { fetched, npm, root } from './packages.mjs';
import { targets } from './prebuild/targets.mjs';

process.chdir(root);
const work = mkdtempSync(join(tmpdir(), 'mmap-transport-package-'));
const {
  name,
  version,
  exports: entries,
  dependencies,
  peerDependencies,
} = JSON.parse(readFileSync('package.json', 'utf8'));
const paths = Object.keys(entries).filter(entry => !entry.endsWith('.json'));
const specifiers = paths.map(entry => name + entry.slice(1));
/** The oldest that the published types are for; README says so. */
const oldestTypeScript = '5.4.5';
/** README's examples, which the tests run too, but not from the package as it is published. */
const examples = blocksOf(root, 'README.md').filter(
  ({ language, code }) => language === 'js' && !/ from 'piscina'/.test(code),
);

try {
  const tarball = pack();
  lint(tarball);
  for (const scripts of [false, true]) {
    const project = install(tarball, scripts);
    look(project);
    run(project);
    console.log(
      `installed ${scripts ? 'with' : 'without'} scripts: import, require, ${examples.length} examples, command`,
    );
    if (scripts) checkTypes(project);
  }
} finally {
  rmSync(work, { recursive: true });
}

/** @returns the tarball's path */
function pack() {
  const output = npm(['pack', '--json', '--pack-destination', work], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // `prepack` ran before, and npm says so there.
  const packed = JSON.parse(output.slice(output.search(/^[[{]/m)));
  const [{ filename, size, unpackedSize, files }] = Array.isArray(packed)
    ? packed
    : Object.values(packed);
  const wanted = new Set(targets.map(({ folder, file }) => `prebuilds/${folder}/${file}`));
  const allowed =
    /^(package\.json|README\.md|CHANGELOG\.md|LICENSE|dist\/src\/[\w/-]+\.(js|d\.ts)|dist\/src\/bundle\/[\w-]+\.cjs|dist\/(bench|vendor)\/[\w/-]+\.js|dist\/vendor\/THIRD-PARTY\.md)$/;
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

/** What came with it, and what its files ask for. */
function look(project) {
  const modules = join(project, 'node_modules');
  const wanted = [name, ...Object.keys(dependencies)].sort();
  const installed = readdirSync(modules).filter(one => !one.startsWith('.'));
  if (installed.sort().join() !== wanted.join()) {
    throw new Error(`expected ${wanted.join(', ')} to be installed, got ${installed.join(', ')}`);
  }
  const allowed = [name, ...Object.keys({ ...dependencies, ...peerDependencies })];
  const home = join(modules, name, 'dist');
  for (const path of readdirSync(home, { recursive: true })) {
    if (!/\.(js|d\.ts)$/.test(path)) continue;
    const text = readFileSync(join(home, path), 'utf8');
    if (/sourceMappingURL=/.test(text)) throw new Error(`${path} names a map that is not there`);
    if (/@internal/.test(text) && path.endsWith('.d.ts')) throw new Error(`${path} is internal`);
    for (const [, asked] of text.matchAll(/^(?:import|export) .*?from ['"]([^.'"][^'"]*)['"]/gm)) {
      if (asked.startsWith('node:') || allowed.includes(asked)) continue;
      throw new Error(`${path} asks for ${asked}, which nobody has installed`);
    }
  }
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
  // The preload exports nothing.
  const both = 'if (all.some(one => Object.keys(one).length === 0)) throw new Error("empty");\n';
  const preload = `${name}/auto`;
  node('preload.mjs', `await import('${preload}');\n`);
  node('preload.cjs', `require('${preload}');\n`);
  const list = specifiers
    .filter(specifier => specifier !== preload)
    .map(specifier => `'${specifier}'`)
    .join(', ');
  node('import.mjs', `const all = await Promise.all([${list}].map(one => import(one)));\n${both}`);
  node('require.cjs', `const all = [${list}].map(one => require(one));\n${both}`);
  const inAnyOrder = text => text.split('\n').sort().join('\n');
  for (const { at, code, output } of examples) {
    const printed = node('example.mjs', code);
    if (inAnyOrder(printed) !== inAnyOrder(output?.text ?? '')) {
      throw new Error(`${at} printed ${printed}`);
    }
  }

  const directory = ['--directory', mkdtempSync(join(work, 'regions-'))];
  const expectOutput = (wanted, ...args) => {
    const printed = command(project, ...args);
    if (!printed.includes(wanted)) throw new Error(`${args[0]} printed ${printed}`);
  };
  expectOutput('no regions\n', 'ls', ...directory);
  expectOutput('0 regions', 'top', '--count', '1', ...directory);
  expectOutput('', 'reap', ...directory);
  expectOutput(`${version}\n`, '--version');
  node(
    'keep.mjs',
    `import { Ring } from '${name}';\nRing.create({ capacity: 65536, path: 'kept.ring' }).close();\n`,
  );
  expectOutput('of 64 KiB', 'stat', join(project, 'kept.ring'), ...directory);
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
  expectOutput('process.send, advanced', 'bench', ...briefly);
}

/** @returns what `npx mmap-transport` prints there */
function command(project, ...args) {
  const program = join(project, 'node_modules/.bin', name);
  const env = { PATH: join(work, 'bin') };
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', env });
  // `reap` says there how much it did.
  if (status !== 0 || (stderr && args[0] !== 'reap')) {
    throw new Error(`${args[0]} ended with ${status}: ${stderr}`);
  }
  return stdout;
}

/** A strict project of TypeScript's newest and oldest, which looks into all types that it meets. */
function checkTypes(project) {
  for (const types of ['@types/node', 'undici-types']) {
    const place = join(project, 'node_modules', types);
    mkdirSync(join(place, '..'), { recursive: true });
    symlinkSync(join(root, 'node_modules', types), place);
  }
  copyFileSync('test/package/consumer.ts', join(project, 'consumer.mts'));
  const strict = ['--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess'];
  const compilers = [
    join(root, 'node_modules/typescript'),
    fetched('typescript', oldestTypeScript),
  ];
  for (const compiler of compilers) {
    const compilerInfo = JSON.parse(readFileSync(join(compiler, 'package.json'), 'utf8'));
    for (const [module, resolution] of [
      ['node16', 'node16'],
      ['esnext', 'bundler'],
    ]) {
      const options = ['--noEmit', '--target', 'es2022', '--types', 'node', ...strict];
      const resolved = ['--module', module, '--moduleResolution', resolution];
      execFileSync(
        process.execPath,
        [join(compiler, 'bin/tsc'), ...options, ...resolved, 'consumer.mts'],
        { cwd: project, stdio: 'inherit' },
      );
      console.log(`types: TypeScript ${compilerInfo.version}, resolved as ${resolution}`);
    }
  }
}
