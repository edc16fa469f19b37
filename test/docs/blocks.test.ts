import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import ts from 'typescript';
import { outcome, sibling, startNode } from '../support/processes.js';
import { certificate } from '../transport/conn/certificate.js';

const root = sibling(import.meta.url, '../../..');

interface Block {
  readonly at: string;
  readonly page: string;
  readonly language: string;
  readonly code: string;
  readonly name?: string;
  readonly output?: { readonly text: string; readonly inOrder: boolean };
}

// Shared with scripts/check-package.mjs.
const { blocksOf, examplesOf, pagesOf, sourcesOf } = (await import(
  pathToFileURL(join(root, 'scripts/blocks.mjs')).href
)) as {
  blocksOf: (root: string, page: string) => Block[];
  examplesOf: (root: string, page: string) => Block[];
  pagesOf: (root: string) => string[];
  sourcesOf: (root: string) => string[];
};

const { exports: entries, scripts } = JSON.parse(
  readFileSync(join(root, 'package.json'), 'utf8'),
) as { exports: Record<string, string>; scripts: Record<string, string> };

/** What blocks in TypeScript may use without saying where they have it from. */
const given = `
  import type { ChildProcess } from 'node:child_process';
  import type { ServerResponse } from 'node:http';
  import type { Socket } from 'node:net';
  import type { Hash } from 'node:crypto';
  import type * as piscina from 'piscina';
  import type * as shm from 'mmap-transport';
  import type * as payloads from 'mmap-transport/piscina';
  declare global {
    interface Job { id: number }
    interface Message { invalidate: string }
    const job: Job;
    const key: string;
    const child: ChildProcess;
    const response: ServerResponse;
    const socket: Socket;
    const hash: Hash;
    const pool: piscina.Piscina;
    const Piscina: typeof piscina.Piscina;
    const filename: string;
    const bytes: Buffer;
    const file: shm.MapFile;
    const arena: payloads.PayloadArena;
    const pipeline: typeof import('node:stream/promises').pipeline;
    const createGzip: typeof import('node:zlib').createGzip;
    const sharp: typeof import('sharp').default;
  }`;

/** The names that each entry of the package has at run time. */
const names = new Map<string, string[]>();
for (const entry of Object.keys(entries).filter(name => !name.endsWith('.json'))) {
  const name = `mmap-transport${entry.slice(1)}`;
  const module = (await import(name)) as Record<string, unknown>;
  for (const own of Object.keys(module)) names.set(own, [...(names.get(own) ?? []), name]);
}

/** Imports for the names of the package that an example uses, which need not say so. */
function importsFor(code: string): string {
  if (/^import /m.test(code)) return '';
  return [...names]
    .filter(([name]) => new RegExp(`(?<![.\\w'])${name}\\b`).test(code))
    .map(([name, [module]]) => `import { ${name} } from '${module!}'; `)
    .join('');
}

/** What TypeScript says of a folder's files, by file and line. */
function compile(files: string[]): string[] {
  const program = ts.createProgram(files, {
    ...{ noEmit: true, strict: true, exactOptionalPropertyTypes: true, skipLibCheck: true },
    ...{ target: ts.ScriptTarget.ES2022, lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'] },
    ...{ module: ts.ModuleKind.NodeNext, types: ['node'], noUncheckedIndexedAccess: true },
  });
  return ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
    const { line } = file?.getLineAndCharacterOfPosition(start ?? 0) ?? { line: 0 };
    return `${file?.fileName ?? ''}:${line} ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
}

describe('The code in the documentation', function () {
  this.timeout(120_000);
  const pages = pagesOf(root);
  const blocks = pages.flatMap(page => blocksOf(root, page));
  const examples = sourcesOf(root).flatMap(page => examplesOf(root, page));

  // Below the package's own folder, so that its own name leads to it.
  let home: string;
  before(() => {
    mkdirSync(join(root, '.cache'), { recursive: true });
    home = mkdtempSync(join(root, '.cache/docs-'));
  });
  after(() => {
    rmSync(home, { recursive: true });
    console.log(
      `      ${blocks.filter(({ language }) => language === 'js').length} blocks run, ` +
        `${blocks.filter(({ language }) => language === 'ts').length} blocks and ` +
        `${examples.length} examples compiled`,
    );
  });

  for (const page of pages) {
    const runnable = blocks.filter(block => block.page === page && block.language === 'js');
    if (runnable.length === 0) continue;

    describe(page, () => {
      let folder: string;
      const fileOf = ({ name, at }: Block) => join(folder, name ?? `${at.split(':')[1]!}.mjs`);
      before(() => {
        folder = mkdtempSync(join(home, 'page-'));
        for (const block of runnable) writeFileSync(fileOf(block), block.code);
        writeFileSync(join(folder, 'key.pem'), certificate.key);
        writeFileSync(join(folder, 'cert.pem'), certificate.cert);
      });

      for (const block of runnable) {
        it(`runs what stands at line ${block.at.split(':')[1]!}`, async () => {
          const child = startNode(['--no-warnings', fileOf(block)], { cwd: folder });
          const { code, stdout, stderr } = await outcome(child);
          expect(stderr).to.equal('');
          expect(code).to.equal(0);
          const { text, inOrder } = block.output ?? { text: '', inOrder: true };
          const lines = (printed: string) => printed.split('\n');
          if (inOrder) expect(stdout).to.equal(text);
          else expect(lines(stdout)).to.have.members(lines(text));
        });
      }
    });
  }

  it('compiles, where it is TypeScript or an example in a doc comment', () => {
    const folder = mkdtempSync(join(home, 'types-'));
    writeFileSync(join(folder, 'given.d.mts'), given);
    const all = [...blocks.filter(({ language }) => language === 'ts'), ...examples];
    const paths = all.map(({ code }, index) => {
      const path = join(folder, `${index}.mts`);
      // In the first line, so that the others keep their numbers.
      writeFileSync(path, `${importsFor(code)}export {};\n${code}`);
      return path;
    });
    const said = compile([join(folder, 'given.d.mts'), ...paths]).map(text =>
      text.replace(/^.*?(\d+)\.mts:/, (_, index: string) => `${all[Number(index)]!.at}, line `),
    );
    expect(said).to.deep.equal([]);
    expect(examples.length).to.be.above(15);
  });

  it('names scripts and commands that exist', () => {
    const lines = blocks
      .filter(({ language }) => language === 'sh')
      .flatMap(({ code, at }) => code.split('\n').map(line => ({ line, at })));
    const main = readFileSync(join(root, 'src/command/main.ts'), 'utf8');
    const commands = [...main.matchAll(/command\('(\w+)'/g)].map(([, name]) => name!);
    const wrong = lines.filter(({ line }) => {
      const script = /^npm run ([\w:-]+)/.exec(line)?.[1];
      const command = /^npx mmap-transport ([a-z]\w*)/.exec(line)?.[1];
      const lacksScript = script !== undefined && scripts[script] === undefined;
      return lacksScript || (command !== undefined && !commands.includes(command));
    });
    expect(wrong).to.deep.equal([]);
    expect(commands).to.include('top');
    expect(lines.length).to.be.above(15);
  });

  it('is in a language that is run, compiled or looked at here', () => {
    const known = /^(js|ts|sh|text( in any order)?|json|yaml|dockerfile|ini|html)$/;
    const others = blocks.filter(({ language }) => !known.test(language));
    expect(others.map(({ at, language }) => `${at}: ${language}`)).to.deep.equal([]);
  });
});

describe("README.md's figures", () => {
  const text = (name: string) => readFileSync(join(root, name), 'utf8');
  const [, figures] =
    /<!-- figures of docs\/benchmarks\.md: begin -->([^]*?)<!-- figures: end -->/.exec(
      text('README.md'),
    )!;
  const cellsOf = (row: string) => row.split('|').map(cell => cell.trim());

  it('are those of docs/benchmarks.md: write them anew where that was measured again', () => {
    const measured = text('docs/benchmarks.md')
      .split('\n')
      .filter(line => line.startsWith('|'));
    const rows = figures!
      .split('\n')
      .filter(line => /^\| (ring|channel|Conn|process|Unix)/.test(line))
      .map(cellsOf);
    const wrong = rows.filter(
      row => !measured.some(line => row.every(cell => cellsOf(line).includes(cell))),
    );
    expect(wrong).to.deep.equal([]);
    expect(rows.length).to.be.above(8);
    const node = /Node: ([\d.]+)/.exec(text('docs/benchmarks.md'))![1]!;
    expect(text('README.md')).to.include(`Node ${node}`);
  });
});
