// The blocks of code in the documentation: fenced ones of its pages, and `@example`s of doc comments.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * @typedef {object} Block
 * @property {string} at page and line, to find it by
 * @property {string} page the page's path
 * @property {string} language what is said behind its fence, e.g. `js`
 * @property {string} code
 * @property {string | undefined} name of the file it is, where its first line is `// name.mjs`
 * @property {{ text: string, inOrder: boolean } | undefined} output what it prints: the block of
 *   `text` behind it
 */

/** @returns {Block[]} the fenced blocks of a page */
export function blocksOf(root, page) {
  const lines = readFileSync(join(root, page), 'utf8').split('\n');
  /** @type {Block[]} */
  const blocks = [];
  let last; // the block before, where only empty lines are in between
  for (let i = 0; i < lines.length; i++) {
    const fence = /^( *)```(.*)$/.exec(lines[i]);
    if (!fence) {
      if (lines[i].trim() !== '') last = undefined;
      continue;
    }
    const [, indent, language] = fence;
    const begin = i + 1;
    while (++i < lines.length && lines[i].trimEnd() !== `${indent}\`\`\``);
    if (i === lines.length) throw new Error(`${page}:${begin}: the block has no end`);
    const code = lines
      .slice(begin, i)
      .map(line => `${line.slice(indent.length)}\n`)
      .join('');
    if (last && language.startsWith('text')) {
      last.output = { text: code, inOrder: language === 'text' };
    }
    const name = /^\/\/ ([\w-]+\.[cm]?[jt]s)\n/.exec(code)?.[1];
    last = { at: `${page}:${begin}`, page, language, code, name, output: undefined };
    blocks.push(last);
  }
  return blocks;
}

/** @returns {Block[]} the examples of the doc comments in a source */
export function examplesOf(root, page) {
  const text = readFileSync(join(root, page), 'utf8');
  return [...text.matchAll(/^ *\/\*\*$[^]*?\*\/$/gm)].flatMap(comment => {
    const lines = comment[0].split('\n').map(line => line.replace(/^ *\* ?/, ''));
    const first = text.slice(0, comment.index).split('\n').length;
    /** @type {Block[]} */
    const blocks = [];
    for (let i = 0; i < lines.length; i++) {
      if (!lines[i].startsWith('@example')) continue;
      const begin = i + 1;
      while (i + 1 < lines.length && !/^(@|\/)/.test(lines[i + 1])) i++;
      const code = lines.slice(begin, i + 1).join('\n');
      blocks.push({ at: `${page}:${first + begin}`, page, language: 'ts', code });
    }
    return blocks;
  });
}

/** The pages that users read, from the root of the project; decision records are for ourselves. */
export function pagesOf(root) {
  const guides = readdirSync(join(root, 'docs')).filter(name => name.endsWith('.md'));
  return ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'examples/README.md'].concat(
    guides.map(name => `docs/${name}`),
  );
}

/** The sources with doc comments. */
export function sourcesOf(root) {
  return readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .map(name => `src/${name.replaceAll('\\', '/')}`)
    .filter(name => name.endsWith('.ts'));
}
