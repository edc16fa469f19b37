import js from '@eslint/js';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

/** Test runners replace these by fake ones; src/timers.ts has the real ones. */
const fakeable = [
  'setTimeout',
  'clearTimeout',
  'setInterval',
  'clearInterval',
  'setImmediate',
  'clearImmediate',
  'queueMicrotask',
].map(name => ({ name, message: 'Fake timers replace it: import it from src/timers.ts.' }));

export default defineConfig(
  { ignores: ['build/', 'dist/', 'prebuilds/', 'coverage/', 'site/', '.cache/'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': 'off',
      // Callers without types pass nonsense too; run-time checks look unnecessary to the types.
      '@typescript-eslint/no-unnecessary-condition': 'off',
    },
  },
  {
    files: ['src/**/*.ts'],
    ignores: ['src/transport/ring/atomics.ts'],
    rules: {
      'no-restricted-globals': [
        'error',
        {
          name: 'Atomics',
          message: 'Every Atomics call lives in src/transport/ring/atomics.ts, with its ordering.',
        },
        ...fakeable,
      ],
    },
  },
  {
    files: ['src/**/*.ts'],
    ignores: ['src/timers.ts', 'src/command/**'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: ['node:timers', 'node:timers/promises', 'node:perf_hooks'].map(name => ({
            name,
            message: 'Fake timers replace these: use src/timers.ts.',
          })),
        },
      ],
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'nextTick', message: 'Use src/timers.ts.' },
        { object: 'performance', property: 'now', message: 'Use src/timers.ts.' },
        { object: 'Date', property: 'now', message: 'Use src/timers.ts.' },
      ],
    },
  },
  {
    files: ['**/*.mjs', '**/*.js'],
    languageOptions: {
      globals: {
        console: 'readonly',
        performance: 'readonly',
        process: 'readonly',
        URL: 'readonly',
        fetch: 'readonly',
        setTimeout: 'readonly',
      },
    },
  },
);
