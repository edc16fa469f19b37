import { kindOfName } from '../native/segment.js';
import { quietly } from './region-files.js';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

/** Columns of the terminal; no limit where the output goes elsewhere, to a file or a script. */
export function terminalWidth(): number {
  // A terminal that does not know its size says 0.
  return process.stdout.isTTY ? process.stdout.columns || 80 : Number.POSITIVE_INFINITY;
}

/** The first of several texts that fits; the last one is cut. */
export function fitting(width: number, texts: Iterable<string>): string {
  let text = '';
  for (text of texts) {
    if (text.split('\n').every(line => line.length <= width)) return text;
  }
  const cut = (line: string) => (line.length > width ? `${line.slice(0, width - 1)}…` : line);
  return text.split('\n').map(cut).join('\n');
}

/** Hexadecimal digits of a short name, at least. */
const fewestDigits = 4;

/** Beginnings of names that tell them apart; `stat` takes them too. */
export function shortNames(names: readonly string[]): Map<string, string> {
  const short = new Map<string, string>();
  for (const name of names) {
    // A ring that is kept in a file has a name of its user's.
    if (!kindOfName(name)) continue;
    const others = names.filter(other => other !== name);
    let length = name.indexOf('-') + 1 + fewestDigits;
    while (others.some(other => other.startsWith(name.slice(0, length)))) length++;
    short.set(name, name.slice(0, length));
  }
  return short;
}

/** What a process runs, such as `server.js`; undefined where that cannot be seen. */
export function programOf(pid: number): string | undefined {
  const line = quietly(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
  if (line === undefined || line === '') return undefined;
  const [program, ...args] = line.split('\0');
  // Node's own flags stand before the program's name.
  return basename(args.find(arg => arg !== '' && !arg.startsWith('-')) ?? program!);
}
