import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { sibling } from '../support/processes.js';

const root = sibling(import.meta.url, '../../..');

/** A test file by its path below test/, without the ending; and the titles in its source. */
const suites = new Map(
  readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .map(path => path.replaceAll('\\', '/'))
    .filter(path => path.endsWith('.test.ts'))
    .map(path => [path.slice(0, -'.test.ts'.length), titlesIn(join(root, 'test', path))]),
);

/** Titles of `it` and `describe`; what a template computes stands as `…`. */
function titlesIn(path: string): string[] {
  const call = /\b(?:it|describe)(?:\.\w+)?\(\s*(?:'((?:\\.|[^'])*)'|"((?:\\.|[^"])*)"|`([^`]*)`)/g;
  return [...readFileSync(path, 'utf8').matchAll(call)].map(([, single, double, template]) =>
    (single ?? double ?? template!).replaceAll(/\$\{[^}]*\}/g, '…').replaceAll(/\\(.)/g, '$1'),
  );
}

/** The suites that a name of the page means: a file, or all files of a folder. */
function suitesOf(name: string): string[] {
  return [...suites.keys()].filter(path => `/${path}/`.includes(`/${name}/`));
}

/** Whether one is the other, where `…` stands for any text. */
function matches(a: string, b: string): boolean {
  const pattern = (title: string) => {
    const parts = title.split('…').map(part => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    return new RegExp(`^${parts.join('.*')}$`);
  };
  return pattern(a).test(b) || pattern(b).test(a);
}

/** The last cells of all rows, of the tables whose last column is headed `test`. */
function testCells(page: string): string[] {
  const cells: string[] = [];
  let isTable = false;
  for (const line of page.split('\n')) {
    const last = /^\|.*\| *([^|]*?) *\|$/.exec(line)?.[1];
    if (last === undefined || last === 'test') isTable = last === 'test';
    else if (isTable && !/^-+$/.test(last)) cells.push(last);
  }
  return cells;
}

/** Cells that name no test, each for a reason of its own. */
const others = [
  '',
  'as above',
  'see below',
  '`npm run check:package` runs it from the installed package',
];

describe('docs/features.md', () => {
  const cells = testCells(readFileSync(join(root, 'docs/features.md'), 'utf8'));

  it('names tests that exist, by file and title', () => {
    const wrong: string[] = [];
    let checked = 0;
    for (const cell of cells.filter(text => !others.includes(text))) {
      let files: string[] = [];
      // `file, file: "title"; "title"` or `file: all of it`, several in a row.
      const rest = cell.replaceAll(
        /"([^"]+)"|\ball of it\b|([a-z][\w/, -]*?)(?::|$)/g,
        (_, ...groups) => {
          const [title, names] = groups as [string | undefined, string | undefined];
          checked++;
          if (names !== undefined) {
            files = names.split(', ').flatMap(name => {
              const found = suitesOf(name);
              if (found.length === 0) wrong.push(`no file ${name}`);
              return found;
            });
          } else if (title !== undefined) {
            const isThere = files.some(file => suites.get(file)!.some(own => matches(own, title)));
            if (!isThere) wrong.push(`no "${title}" in ${files.join(', ')}`);
          }
          return '';
        },
      );
      if (/[^;, ]/.test(rest)) wrong.push(`not understood: ${rest} in ${cell}`);
    }
    expect(wrong).to.deep.equal([]);
    // That the page was understood at all.
    expect(checked).to.be.above(200);
  });
});
