// Writes the table of docs/errors.md from the doc comments in src/errors.ts: `npm run docs:errors`.
// With `--check` it only compares, and looks for codes that the sources throw and the page lacks.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { sourcesOf } from './blocks.mjs';
import { repository } from './packages.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const page = join(root, 'docs/errors.md');
/** Where links of doc comments lead, which are read in editors and in the reference. */
const docsFolder = `${repository}/blob/main/docs/`;
const isCode = text => /^(ERR_[A-Z_]+|E[A-Z0-9]{3,})$/.test(text);

const parse = name =>
  ts.createSourceFile(name, readFileSync(join(root, name), 'utf8'), ts.ScriptTarget.ESNext, true);

/** @returns {{ code: string, when: string, what: string }[]} */
function described() {
  const text = readFileSync(join(root, 'src/errors.ts'), 'utf8');
  const [type] = /export type ShmErrorCode =[^]*?\(string & \{\}\);/.exec(text);
  return [...type.matchAll(/(?:\/\*\*([^]*?)\*\/)?\s*\| '(\w+)'/g)].map(
    ([, comment = '', code]) => {
      const said = comment
        .replace(/^\s*\*/gm, '')
        .replace(/\s+/g, ' ')
        .replaceAll(docsFolder, '') // the page lies there
        .trim();
      const [when, what] = said.split(' To do: ');
      if (!what)
        throw new Error(`${code} in src/errors.ts: expected "when. To do: what.", got ${said}`);
      return { code, when, what };
    },
  );
}

/** Where a literal is compared with, not thrown. */
function isCompared(node) {
  const { parent } = node;
  if (ts.isBinaryExpression(parent)) {
    const { kind } = parent.operatorToken;
    if (
      kind >= ts.SyntaxKind.EqualsEqualsToken &&
      kind <= ts.SyntaxKind.ExclamationEqualsEqualsToken
    ) {
      return true;
    }
  }
  if (ts.isCaseClause(parent) || ts.isLiteralTypeNode(parent)) return true;
  // Lists of codes that are looked for.
  return ts.isArrayLiteralExpression(parent) && parent.elements.length > 2;
}

/** @returns {Map<string, string>} codes and the place of one statement that has them */
function thrown() {
  const places = new Map();
  for (const name of sourcesOf(root).filter(name => name !== 'src/errors.ts')) {
    const source = parse(name);
    const visit = node => {
      if (ts.isStringLiteralLike(node) && isCode(node.text) && !isCompared(node)) {
        const { line } = source.getLineAndCharacterOfPosition(node.pos);
        places.set(node.text, `${name}:${line + 1}`);
      }
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  return places;
}

const begin = '<!-- codes: begin (npm run docs:errors) -->';
const end = '<!-- codes: end -->';

function written(text) {
  const rows = described().map(({ code, when, what }) => `| \`${code}\` | ${when} | ${what} |`);
  const table = ['| code | when it comes | what to do |', '| --- | --- | --- |', ...rows].join(
    '\n',
  );
  const [before] = text.split(begin);
  const [, after] = text.split(end);
  return `${before}${begin}\n\n${table}\n\n${end}${after}`;
}

/** @returns {Promise<string[]>} what is wrong */
export async function faults() {
  const { format, resolveConfig } = await import('prettier');
  const text = readFileSync(page, 'utf8');
  const config = await resolveConfig(page);
  const wrong = [];
  if ((await format(written(text), { ...config, parser: 'markdown' })) !== text) {
    wrong.push('docs/errors.md differs from src/errors.ts: npm run docs:errors');
  }
  const named = new Set(
    [...text.matchAll(/^\| (.*?) \|/gm)].flatMap(([, cell]) =>
      [...cell.matchAll(/`(\w+)`/g)].map(([, code]) => code),
    ),
  );
  const places = thrown();
  for (const [code, place] of places) {
    if (!named.has(code)) wrong.push(`docs/errors.md lacks ${code} of ${place}`);
  }
  // Said by Node or the system, or by what the addon threw; or not of our sources at all.
  for (const { code } of described()) {
    const isUsed = places.has(code) || helpers.includes(code);
    if (!isUsed) wrong.push(`${code} of src/errors.ts is thrown nowhere`);
  }
  return wrong;
}

/** Codes that only src/errors.ts itself names: `invalidArgument`, `outOfRange`. */
const helpers = ['ERR_INVALID_ARG', 'ERR_OUT_OF_RANGE'];

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes('--check')) {
    const wrong = await faults();
    for (const line of wrong) console.error(line);
    process.exitCode = wrong.length === 0 ? 0 : 1;
  } else {
    const { format, resolveConfig } = await import('prettier');
    const text = written(readFileSync(page, 'utf8'));
    writeFileSync(page, await format(text, { ...(await resolveConfig(page)), parser: 'markdown' }));
  }
}
