// How each bundler is called: with the package left out of the bundle, or as a part of it.
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Everything that is installed to try them. */
export const packages = {
  esbuild: '0.28.2',
  webpack: '5.112.2',
  'webpack-cli': '7.3.1',
  rollup: '4.68.5',
  '@rollup/plugin-node-resolve': '16.0.3',
  '@rollup/plugin-commonjs': '29.0.3',
  vite: '8.3.8',
  '@vercel/ncc': '0.45.0',
  postject: '1.0.0-alpha.6',
  next: '16.4.6',
  react: '19.3.1',
  'react-dom': '19.3.1',
};

const name = 'mmap-transport';

/**
 * @typedef {object} Bundler
 * @property {string} name
 * @property {string[]} packages whose versions are said
 * @property {string} file what it makes, below its folder
 * @property {(run, project: string, out: string, leaveOut: boolean) => void} bundle makes it of
 *   `program.mjs` of the project; `run(program, ...args)` runs what the project has installed
 */

/** @type {Bundler[]} */
export const bundlers = [
  esbuild('esm', 'program.mjs'),
  esbuild('cjs', 'program.cjs'),
  {
    name: 'webpack',
    packages: ['webpack'],
    file: 'program.mjs',
    bundle(run, project, out, leaveOut) {
      const config = {
        mode: 'production',
        target: 'node',
        entry: './program.mjs',
        experiments: { outputModule: true },
        output: { path: out, filename: 'program.mjs', module: true },
        ...(leaveOut && { externals: { [name]: `module ${name}` } }),
      };
      writeConfig(project, 'webpack.config.mjs', config);
      run('webpack-cli/bin/cli.js');
    },
  },
  {
    name: 'rollup',
    packages: ['rollup'],
    file: 'program.mjs',
    bundle(run, project, out, leaveOut) {
      const lines = [
        "import resolve from '@rollup/plugin-node-resolve';",
        "import commonjs from '@rollup/plugin-commonjs';",
        `export default { input: 'program.mjs', plugins: [resolve(), commonjs()],`,
        `  external: ${JSON.stringify(leaveOut ? [name] : [])},`,
        `  output: { file: ${JSON.stringify(join(out, 'program.mjs'))}, inlineDynamicImports: true } };`,
      ];
      writeFileSync(join(project, 'rollup.config.mjs'), lines.join('\n'));
      run('rollup/dist/bin/rollup', '--config', 'rollup.config.mjs', '--silent');
    },
  },
  {
    name: 'vite, SSR',
    packages: ['vite'],
    file: 'program.js',
    bundle(run, project, out, leaveOut) {
      const config = {
        logLevel: 'error',
        build: { ssr: 'program.mjs', outDir: out, emptyOutDir: true },
        // Left out by default.
        ...(!leaveOut && { ssr: { noExternal: true } }),
      };
      writeConfig(project, 'vite.config.mjs', config);
      run('vite/bin/vite.js', 'build');
    },
  },
  {
    name: 'ncc',
    packages: ['@vercel/ncc'],
    file: 'index.mjs',
    bundle(run, _project, out, leaveOut) {
      const external = leaveOut ? ['-e', name] : [];
      run('@vercel/ncc/dist/ncc/cli.js', 'build', 'program.mjs', '-o', out, '-q', ...external);
    },
  },
];

function esbuild(format, file) {
  return {
    name: `esbuild, ${format === 'esm' ? 'ESM' : 'CJS'}`,
    packages: ['esbuild'],
    file,
    bundle(run, _project, out, leaveOut) {
      const external = leaveOut ? [`--external:${name}`] : [];
      const outfile = `--outfile=${join(out, file)}`;
      const flags = ['--bundle', '--platform=node', `--format=${format}`, '--log-level=error'];
      run('esbuild/bin/esbuild', 'program.mjs', ...flags, outfile, ...external);
    },
  };
}

function writeConfig(project, file, config) {
  writeFileSync(join(project, file), `export default ${JSON.stringify(config)};\n`);
}

/** An application of Next.js with one page that uses the package. */
export function makeNext(project, options) {
  const app = join(project, 'next-app');
  mkdirSync(join(app, 'app/try'), { recursive: true });
  writeFileSync(join(app, 'package.json'), '{ "private": true, "type": "module" }\n');
  writeFileSync(join(app, 'next.config.mjs'), `export default ${JSON.stringify(options)};\n`);
  writeFileSync(
    join(app, 'app/layout.js'),
    'export default function Layout({ children }) { return <html><body>{children}</body></html>; }\n',
  );
  writeFileSync(
    join(app, 'app/page.js'),
    'export default function Page() { return <p>page</p>; }\n',
  );
  writeFileSync(
    join(app, 'app/try/route.js'),
    `export const dynamic = 'force-dynamic';
export async function GET() {
  try {
    const { trial } = await import('./trial.mjs');
    return new Response(trial());
  } catch (error) {
    return new Response(String(error.message));
  }
}
`,
  );
  cpSync(join(project, 'trial.mjs'), join(app, 'app/try/trial.mjs'));
  return app;
}
