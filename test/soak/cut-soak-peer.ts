import {
  closeSync,
  ftruncateSync,
  openSync,
  renameSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { type MapFile, openFile, Ring } from '../../src/index.js';
import { random } from '../support/traffic.js';

/*
 * Touches files that others cut, grow, rename and replace meanwhile, or (`breaks`) does so. All that
 * it may get is an error of ours by the rules; anything else it reports, and ends.
 */

const [folder, seed, part] = process.argv.slice(2) as [string, string, string];
const pick = random(Number(seed));
const count = 6;
const most = 1 << 20;
const file = () => join(folder, `file-${pick(count)}`);
const ring = () => join(folder, `ring-${pick(count)}`);

/** By the rules: the file is cut, is no ring any more, is gone or being replaced, is in use. */
const codes = new Set([
  ...['ERR_TRUNCATED', 'ERR_OUT_OF_RANGE', 'ERR_CORRUPT', 'ERR_VERSION', 'ERR_ROLE_TAKEN'],
  ...['ENOENT', 'EEXIST', 'ERR_PEER_CLOSED', 'ERR_PEER_DIED', 'ERR_TOO_LARGE'],
]);
const tally: Record<string, number> = {};

function open(): MapFile {
  const access = (['read', 'read-write', 'copy-on-write'] as const)[pick(3)]!;
  return openFile(file(), { access });
}

const held: MapFile[] = [];

/** Somewhere in a file that has been open for a while. */
function some(): MapFile | undefined {
  if (held.length < 8) held.push(open());
  const at = pick(held.length);
  if (pick(20) === 0) held.splice(at, 1)[0]!.close();
  return held[at];
}

const small = Buffer.alloc(4096);

const uses: (() => unknown)[] = [
  () => {
    const mapped = some();
    if (mapped && mapped.length > 0) mapped.at(pick(mapped.length));
  },
  () => {
    // Past every check, as a user's own code does.
    const bytes = some()?.bytes;
    let sum = 0;
    for (let at = 0; bytes && at < bytes.length; at += 4096 * (1 + pick(8))) sum += bytes[at]!;
    return sum;
  },
  () => {
    const mapped = some();
    if (!mapped?.writable || mapped.length === 0) return;
    mapped.bytes.fill(pick(256), pick(mapped.length));
  },
  () => {
    const mapped = some();
    if (mapped && mapped.length > 0) mapped.readAt(small, pick(mapped.length));
  },
  () => {
    const mapped = some();
    if (mapped?.writable && mapped.length > 4096) mapped.writeAt(small, pick(mapped.length - 4096));
  },
  () => some()?.sync({ async: pick(2) === 0 }),
  async () => {
    const mapped = some();
    if (mapped) await buffer(mapped.createReadStream());
  },
  () => some()?.stat(),
  () => some()?.resident(),
  () => openFile(file(), { access: 'read-write', create: true, size: 1 + pick(most) }).close(),
  () => {
    using kept = Ring.open(ring());
    const producer = kept.producer();
    for (let left = pick(50); left > 0; left--) {
      if (!producer.tryWrite(small.fill(left, 0, 100).subarray(0, 100))) return;
    }
  },
  () => {
    using kept = Ring.open(ring());
    const consumer = kept.consumer();
    for (let left = pick(50); left > 0; left--) {
      const record = consumer.tryRead();
      if (!record) return;
      const isWhole = record.length === 100 && record.every(byte => byte === record[0]);
      if (!isWhole) throw new Error(`a wrong record was delivered: ${record.length}, ${record[0]}`);
    }
  },
];

const breaks: (() => unknown)[] = [
  () => truncateSync(file(), pick(most)),
  () => truncateSync(file(), pick(2) * 4096 * pick(16)),
  () => truncateSync(ring(), pick(70_000)),
  () => {
    const fd = openSync(file(), 'r+');
    ftruncateSync(fd, 0);
    ftruncateSync(fd, pick(most));
    closeSync(fd);
  },
  () => renameSync(file(), file()),
  () => unlinkSync(file()),
  () => writeFileSync(file(), Buffer.alloc(pick(most), 1)),
  () => unlinkSync(ring()),
  () => Ring.create({ capacity: 65_536, path: ring() }).close(),
  () => Ring.create({ capacity: 65_536, path: ring() }).close(),
];

const actions = part === 'breaks' ? breaks : uses;
let stopping = false;
process.on('message', () => (stopping = true));
process.on('disconnect', () => process.exit(1)); // its maker was killed
while (!stopping) {
  try {
    await actions[pick(actions.length)]!();
    tally.ok = (tally.ok ?? 0) + 1;
  } catch (error) {
    const { code, name, stack } = error as NodeJS.ErrnoException;
    const isOurs = name === 'ShmError' && codes.has(code!);
    if (part === 'breaks' ? code !== 'ENOENT' && !isOurs : !isOurs) {
      process.send!({ problem: stack });
      process.disconnect();
      process.exit(1);
    }
    tally[code!] = (tally[code!] ?? 0) + 1;
  }
  if (part === 'breaks') await new Promise(resolve => setTimeout(resolve, pick(4)));
  else if (pick(8) === 0) await new Promise(setImmediate);
}
process.send!({ tally });
process.disconnect();
process.exit(0);
