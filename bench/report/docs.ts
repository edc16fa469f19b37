import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import type { Results } from '../results.js';
import { coreToCoreLine, environmentLines } from './print.js';
import type { Table } from './cells.js';
import { tables } from './tables.js';
import { versionsTable } from './versions.js';

const docs = (name: string): string =>
  fileURLToPath(new URL(`../../../docs/${name}`, import.meta.url));

/** What lies between them is written by the bench, the rest of the page by hand. */
const begin = '<!-- figures: begin -->';
const end = '<!-- figures: end -->';

/**
 * Writes the figures of the first run into docs/: tables, chart and the results they are
 * made from; and where there are more, a comparison of all by Node version.
 */
export async function writeDocs(runs: readonly Results[]): Promise<void> {
  const main = runs[0]!;
  // The chart's library is large and needed nowhere else.
  const { chart } = await import('./chart.js');
  await write(docs('benchmarks.json'), JSON.stringify(main));
  writeFileSync(docs('benchmarks.svg'), chart(main));

  const page = docs('benchmarks.md');
  const text = readFileSync(page, 'utf8');
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${page}: expected ${begin} and then ${end}`);
  const figures = [
    environmentLines(main.environment)
      .map(([label, value]) => `- ${label}: ${value}`)
      .join('\n'),
    `Each figure is the median of ${main.trials} trials of ${main.milliseconds} ms.`,
    coreToCoreLine(main) ?? '',
    '![Messages per second by size](benchmarks.svg)',
    ...tables(main).map(markdown),
    ...(runs.length > 1 ? [markdown(versionsTable(runs))] : []),
  ];
  await write(page, [text.slice(0, from) + begin, ...figures, text.slice(to)].join('\n\n'));
  console.log('docs/benchmarks.{json,md,svg} written');
}

function markdown({ title, columns, rows }: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = columns.map((_, index) => (index === 0 ? '---' : '--:'));
  return [`### ${title}`, '', line(columns), line(rule), ...rows.map(line)].join('\n');
}

async function write(path: string, text: string): Promise<void> {
  const options = await resolveConfig(path);
  writeFileSync(path, await format(text, { ...options, filepath: path }));
}
