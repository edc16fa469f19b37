/*
 * The tiers of src/, and which of them may import which; types count like anything else.
 * `npm run lint` checks it. docs/architecture.md says what each tier is for.
 *
 * A tier may import itself, errors.ts, timers.ts, and the tiers listed behind it here.
 */
const tiers = {
  native: [],
  'transport/ring': ['native'],
  'transport/codec': ['native'],
  'transport/link': ['native', 'transport/ring'],
  'transport/channel': ['native', 'transport/ring', 'transport/codec', 'transport/link'],
  'transport/conn': ['native', 'transport/ring', 'transport/link'],
  'transport/bus': [
    'native',
    'transport/ring',
    'transport/codec',
    'transport/link',
    'transport/channel',
  ],
  'transport/topic': ['native', 'transport/ring', 'transport/codec'],
  'transport/cluster': ['native', 'transport/bus'],
  'transport/auto': ['native', 'transport/ring', 'transport/codec', 'transport/link'],
  'transport/piscina': ['native', 'transport/ring'],
};

/** What lies below everything, and what stands on everything. */
const ground = '^src/(errors|timers)\\.ts$';
const top = '^src/(index\\.ts$|command/)';

const pathOf = tier => `^src/${tier}/`;
const known = [ground, top, ...Object.keys(tiers).map(pathOf)];

module.exports = {
  forbidden: [
    {
      name: 'no-circle',
      comment: 'Files that import each other cannot be read one after the other.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-file-without-tier',
      comment:
        'Nobody imports a file of src/ that belongs to no tier, for which there are no arrows.',
      severity: 'error',
      from: {},
      to: { path: '^src/', pathNot: known },
    },
    {
      name: 'no-import-without-tier',
      comment: 'The same for what such a file imports.',
      severity: 'error',
      from: { path: '^src/', pathNot: known },
      to: {},
    },
    {
      name: 'ground-imports-nothing',
      comment: 'errors.ts and timers.ts are below everything.',
      severity: 'error',
      from: { path: ground },
      to: { path: '^src/' },
    },
    {
      name: 'nothing-imports-the-index',
      comment: 'index.ts and the command stand on everything, and nothing in src/ on them.',
      severity: 'error',
      from: { path: '^src/', pathNot: top },
      to: { path: top },
    },
    {
      name: 'src-stands-alone',
      comment: 'Tests, benches and examples stand on src/. The command starts a bench by its path.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bench|examples|scripts)/' },
    },
    {
      name: 'bench-stands-on-src',
      comment: 'It is published, and tests and examples are not.',
      severity: 'error',
      from: { path: '^bench/' },
      to: { path: '^(test|examples|scripts)/' },
    },
    {
      name: 'examples-use-public-names',
      comment: 'A reader can do what an example does: it imports the entries of the package only.',
      severity: 'error',
      from: { path: '^examples/' },
      to: {
        path: '^(src|test|bench|scripts)/',
        pathNot: '^src/(index|transport/(auto|cluster|piscina)/index)\\.ts$',
      },
    },
    {
      name: 'sources-not-builds',
      comment: 'An import of compiled code would test or type what was built some time ago.',
      severity: 'error',
      from: {},
      to: { path: '^(dist|build|prebuilds)/' },
    },
    {
      name: 'library-needs-nothing',
      comment:
        'Of packages the library uses node-gyp-build, and piscina where a user has it. What only ' +
        'the command and the bench need is built into the published package: scripts/prepack.mjs.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/command/' },
      to: {
        dependencyTypesNot: ['core', 'local', 'aliased'],
        // The bundle is made of src/ itself: scripts/bundle-auto.mjs.
        pathNot: ['^src/', '^node_modules/(node-gyp-build|piscina)/', '/bundle/auto\\.cjs$'],
      },
    },
    ...Object.entries(tiers).map(([tier, below]) => ({
      name: `arrows-of-${tier.replace('transport/', '')}`,
      comment: `src/${tier}/ may import errors.ts, timers.ts${below.map(name => `, ${name}/`).join('')}.`,
      severity: 'error',
      from: { path: pathOf(tier) },
      to: {
        path: '^src/',
        pathNot: [ground, pathOf(tier), ...below.map(pathOf)],
      },
    })),
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    // Imports of types, which leave no trace in the compiled code, are arrows too.
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
  },
};
