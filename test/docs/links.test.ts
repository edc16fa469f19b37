import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect } from 'chai';
import { sibling } from '../support/processes.js';

const root = sibling(import.meta.url, '../../..');

/** Folders whose pages are not ours, or not written by hand; those with a dot are left out too. */
const foreign = ['node_modules', 'dist', 'build', 'prebuilds', 'coverage', 'site'];

function pagesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    const path = join(folder, entry.name);
    if (entry.isFile()) return entry.name.endsWith('.md') ? [path] : [];
    const isOurs = entry.isDirectory() && !entry.name.startsWith('.');
    return isOurs && !foreign.includes(entry.name) ? pagesBelow(path) : [];
  });
}

/** A page without its blocks of code, which may show anything. */
const proseOf = (path: string) => readFileSync(path, 'utf8').replaceAll(/^ *```[^]*?^ *```$/gm, '');

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(path: string): string[] {
  return [...proseOf(path).matchAll(/^#+ +(.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-'),
  );
}

describe('The pages of the documentation', () => {
  const pages = pagesBelow(root);
  const name = (path: string) => relative(root, path).replaceAll('\\', '/');

  it('link to files and headings that exist', () => {
    const broken: string[] = [];
    let checked = 0;
    for (const page of pages) {
      for (const [, target] of proseOf(page).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target!)) continue; // elsewhere: no test of ours
        checked++;
        const [path, anchor] = target!.split('#') as [string, string | undefined];
        const file = path === '' ? page : join(dirname(page), decodeURI(path));
        const isThere =
          existsSync(file) && (anchor === undefined || anchorsOf(file).includes(anchor));
        if (!isThere) broken.push(`${name(page)}: ${target}`);
      }
    }
    expect(broken).to.deep.equal([]);
    expect(checked).to.be.above(20);
  });

  it('name files and folders of the repository that exist', () => {
    const missing: string[] = [];
    let checked = 0;
    for (const page of pages) {
      const path = /`((?:src|native|test|bench|docs|examples|scripts|\.ci)\/[\w./+-]*)`/g;
      for (const [, named] of proseOf(page).matchAll(path)) {
        checked++;
        if (!existsSync(join(root, named!))) missing.push(`${name(page)}: ${named}`);
      }
    }
    expect(missing).to.deep.equal([]);
    expect(checked).to.be.above(10);
  });

  it('list every decision record', () => {
    const folder = join(root, 'docs/adr');
    const records = readdirSync(folder).filter(file => /^\d{4}-.*\.md$/.test(file));
    const index = readFileSync(join(folder, 'README.md'), 'utf8');
    expect(records.filter(file => !index.includes(`](${file})`))).to.deep.equal([]);
    expect(records.length).to.be.above(10);
  });
});
