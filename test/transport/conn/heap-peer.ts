// Reads this many bytes from a listener; reports the page faults of the second half.
import { dial } from '../../../src/index.js';

const [path, bytes] = process.argv.slice(2) as [string, string];
const conn = await dial(path);
const half = Number(bytes) / 2;
const faults = () => process.resourceUsage().minorPageFault;
let got = 0;
let before: number | undefined;
conn.on('data', (chunk: Buffer) => {
  got += chunk.length;
  if (got >= half) before ??= faults();
});
conn.once('end', () => process.send!(faults() - before!));
