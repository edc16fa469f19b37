import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { operations } from './operations.js';
import { buildInterposer, cannotInject, injectAll, type Report } from './run.js';

/*
 * `npm run faults`: every operation of the table, with every system call that it makes failing
 * once. `-- openFile` runs those whose names contain that; a second word is a regular expression
 * for "call errno".
 */

const [wanted = '', only = '', out] = process.argv.slice(2);
const reason = cannotInject();
if (reason !== undefined) throw new Error(`faults cannot be injected here: ${reason}`);
const folder = mkdtempSync(join(tmpdir(), 'faults-'));
const reports: Report[] = [];
try {
  const library = buildInterposer(folder);
  for (const { name } of operations) {
    if (!name.includes(wanted)) continue;
    const report = await injectAll(name, library, only).catch((error: unknown) => error as Error);
    if (report instanceof Error) {
      console.log(`${name}: ${report.message}`);
      process.exitCode = 1;
      continue;
    }
    reports.push(report);
    const wrong = report.outcomes.filter(outcome => outcome.wrong.length > 0);
    const counts = `${report.calls.length} calls, ${report.outcomes.length} faults`;
    console.log(`${name}: ${counts}, ${wrong.length} wrong`);
    for (const { fault, result, wrong: what } of wrong) {
      const often = fault.forGood ? ' for good' : '';
      console.log(`  ${fault.call} ${fault.number} ${fault.errno}${often} → ${result}`);
      for (const each of what) console.log(`      ${each}`);
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}
const outcomes = reports.flatMap(report => report.outcomes);
const count = (test: (outcome: (typeof outcomes)[number]) => boolean) =>
  outcomes.filter(test).length;
console.log(
  `${reports.length} operations, ${reports.flatMap(report => report.calls).length} calls recorded, ` +
    `${outcomes.length} faults: ${count(({ result }) => result === 'ok')} went on all the same, ` +
    `${count(({ result }) => result === 'not reached')} not reached, ` +
    `${count(({ wrong }) => wrong.length > 0)} wrong`,
);
if (out !== undefined) writeFileSync(out, JSON.stringify(reports));
if (count(({ wrong }) => wrong.length > 0) > 0) process.exitCode = 1;
