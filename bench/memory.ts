// npm run bench:memory [-- --mib 1024] [--seconds 2] [--trials 3]: mapped files against other
// ways to read files. Each trial is a process of its own; the median of the trials is reported.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  createReadStream,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { Bench } from 'tinybench';
import { openFile } from '../src/index.js';

const block = 4096;
const readsPerRound = 1000;
const cyclesPerRound = 100;

/** One way to do a job; `prepare` returns what is timed, and is not timed itself. */
interface Way {
  name: string;
  /** The others are shown as multiples of this one. */
  baseline?: true;
  prepare: (path: string, bytes: number) => (() => unknown) | Promise<() => unknown>;
}

interface Job {
  title: string;
  unit: string;
  /** Units per call of what is timed. */
  amount: (bytes: number) => number;
  ways: Way[];
}

/** Reads the same blocks in the same order in every trial. */
function randomBlocks(bytes: number, read: (position: number) => number): () => number {
  const blocks = bytes / block;
  let state = 1;
  return () => {
    let sum = 0;
    for (let i = 0; i < readsPerRound; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      sum += read((state % blocks) * block);
    }
    return sum;
  };
}

async function bytesOf(stream: Readable): Promise<number> {
  let bytes = 0;
  for await (const chunk of stream) bytes += (chunk as Buffer).length;
  return bytes;
}

interface MmapIo {
  map(size: number, protection: number, flags: number, fd: number): Buffer;
  PROT_READ: number;
  MAP_SHARED: number;
}

const mmapIo: Way = {
  name: 'mmap-io (@riaskov fork): Buffer.copy',
  async prepare(path, bytes) {
    // By a name that TypeScript does not resolve: it may not be installed.
    const name = '@riaskov/mmap-io';
    const { default: mmap } = (await import(name)) as { default: MmapIo };
    const fd = openSync(path, 'r');
    const mapped = mmap.map(bytes, mmap.PROT_READ, mmap.MAP_SHARED, fd);
    const target = Buffer.alloc(block);
    return randomBlocks(bytes, at => mapped.copy(target, 0, at, at + block) + target[0]!);
  },
};

const jobs: Job[] = [
  {
    title: 'random blocks of 4 KiB, copied out',
    unit: 'M reads/s',
    amount: () => readsPerRound / 1e6,
    ways: [
      {
        name: 'fs.readSync',
        baseline: true,
        prepare(path, bytes) {
          const fd = openSync(path, 'r');
          const target = Buffer.alloc(block);
          return randomBlocks(bytes, at => readSync(fd, target, 0, block, at) + target[0]!);
        },
      },
      {
        name: 'MapFile.readAt',
        prepare(path, bytes) {
          const file = openFile(path, { prefault: true });
          const target = Buffer.alloc(block);
          return randomBlocks(bytes, at => file.readAt(target, at) + target[0]!);
        },
      },
      mmapIo,
    ],
  },
  {
    title: 'random blocks of 4 KiB, of which 16 bytes are looked at',
    unit: 'M reads/s',
    amount: () => readsPerRound / 1e6,
    ways: [
      {
        name: 'fs.readSync of the block',
        baseline: true,
        prepare(path, bytes) {
          const fd = openSync(path, 'r');
          const target = Buffer.alloc(block);
          return randomBlocks(bytes, at => {
            readSync(fd, target, 0, block, at);
            return target.readDoubleLE(0) + target.readDoubleLE(8);
          });
        },
      },
      {
        name: 'fs.readSync of the 16 bytes',
        prepare(path, bytes) {
          const fd = openSync(path, 'r');
          const target = Buffer.alloc(16);
          return randomBlocks(bytes, at => {
            readSync(fd, target, 0, 16, at);
            return target.readDoubleLE(0) + target.readDoubleLE(8);
          });
        },
      },
      {
        name: 'MapFile.bytes, in place',
        prepare(path, bytes) {
          const file = openFile(path, { prefault: true });
          const view = new DataView(file.bytes.buffer);
          return randomBlocks(bytes, at => view.getFloat64(at) + view.getFloat64(at + 8));
        },
      },
    ],
  },
  {
    title: 'the whole file, copied from start to end',
    unit: 'GB/s',
    amount: bytes => bytes / 1e9,
    ways: [
      {
        name: 'fs.createReadStream',
        baseline: true,
        prepare(path) {
          return () => bytesOf(createReadStream(path));
        },
      },
      {
        name: 'fs.createReadStream, 1 MiB chunks',
        prepare(path) {
          return () => bytesOf(createReadStream(path, { highWaterMark: 1 << 20 }));
        },
      },
      {
        name: 'fs.readFileSync',
        prepare(path) {
          return () => readFileSync(path);
        },
      },
      {
        name: 'MapFile.read into 1 MiB',
        prepare(path) {
          const file = openFile(path, { prefault: true });
          const target = Buffer.alloc(1 << 20);
          return () => {
            file.seek(0);
            while (file.read(target) > 0);
          };
        },
      },
      {
        name: 'openFile, read into 1 MiB, close',
        prepare(path) {
          const target = Buffer.alloc(1 << 20);
          return () => {
            using file = openFile(path, { prefault: true });
            while (file.read(target) > 0);
          };
        },
      },
      {
        name: 'Buffer.from(MapFile.bytes)',
        prepare(path) {
          const file = openFile(path, { prefault: true });
          return () => Buffer.from(file.bytes);
        },
      },
      {
        name: 'MapFile.createReadStream',
        prepare(path) {
          const file = openFile(path, { prefault: true });
          return () => bytesOf(file.createReadStream());
        },
      },
    ],
  },
  {
    title: 'open and close',
    unit: 'k times/s',
    amount: () => cyclesPerRound / 1e3,
    ways: [
      {
        name: 'fs.openSync, fs.closeSync',
        baseline: true,
        prepare(path) {
          return () => {
            for (let i = 0; i < cyclesPerRound; i++) closeSync(openSync(path, 'r'));
          };
        },
      },
      {
        name: 'openFile, close',
        prepare(path) {
          return () => {
            for (let i = 0; i < cyclesPerRound; i++) openFile(path).close();
          };
        },
      },
      {
        name: 'openFile of 4 KiB, a byte read, close',
        prepare(path) {
          return () => {
            for (let i = 0; i < cyclesPerRound; i++) {
              using file = openFile(path, { length: block });
              file.readByte();
            }
          };
        },
      },
    ],
  },
];

interface Trial {
  job: number;
  way: number;
  path: string;
  bytes: number;
  seconds: number;
}

/** Units per second, or why it could not be measured. */
type Outcome = { rate: number } | { failure: string };

async function trial({ job, way, path, bytes, seconds }: Trial): Promise<Outcome> {
  try {
    const { amount, ways } = jobs[job]!;
    const call = await ways[way]!.prepare(path, bytes);
    const bench = new Bench({
      time: seconds * 1000,
      warmupTime: 300,
      warmupIterations: 1,
      iterations: 3,
    });
    bench.add('trial', call);
    const [task] = await bench.run();
    const { result } = task!;
    if (result.state !== 'completed') return { failure: result.state };
    return { rate: (amount(bytes) * 1000) / result.latency.p50 };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { failure: code === 'ERR_MODULE_NOT_FOUND' ? 'not installed' : message };
  }
}

async function run(task: Trial): Promise<Outcome> {
  const child = fork(fileURLToPath(import.meta.url), [JSON.stringify(task)]);
  const exited = once(child, 'exit').then(([code]) => ({ failure: `ended with ${code}` }));
  const answered = once(child, 'message').then(([outcome]) => outcome as Outcome);
  return Promise.race([answered, exited]);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      mib: { type: 'string', default: '1024' },
      seconds: { type: 'string', default: '2' },
      trials: { type: 'string', default: '3' },
    },
  });
  const bytes = Number(values.mib) * (1 << 20);
  const home = mkdtempSync(join(tmpdir(), 'mmap-transport-bench-'));
  try {
    const path = join(home, 'file');
    const fd = openSync(path, 'w');
    const piece = Buffer.alloc(1 << 20, 'mapped memory ');
    for (let at = 0; at < bytes; at += piece.length) writeSync(fd, piece);
    closeSync(fd);
    readFileSync(path); // into the page cache
    console.log(
      `${cpus()[0]!.model}, ${cpus().length} cores; Node ${process.version}; ` +
        `a file of ${values.mib} MiB in the page cache; median of ${values.trials} processes`,
    );
    for (const [job, { title, unit, ways }] of jobs.entries()) {
      const table = new Table({ head: [title, unit, 'times'], style: { head: [], border: [] } });
      let baseline = Number.NaN;
      for (const [way, { name, baseline: isBaseline }] of ways.entries()) {
        const task: Trial = { job, way, path, bytes, seconds: Number(values.seconds) };
        const rates: number[] = [];
        let failure = '';
        for (let i = 0; i < Number(values.trials) && !failure; i++) {
          const outcome = await run(task);
          if ('rate' in outcome) rates.push(outcome.rate);
          else failure = outcome.failure;
        }
        const rate = rates.sort((a, b) => a - b)[rates.length >> 1];
        if (isBaseline) baseline = rate ?? Number.NaN;
        const cells =
          failure || rate === undefined ? [failure, ''] : [show(rate), show(rate / baseline)];
        table.push([name, ...cells]);
      }
      console.log(table.toString());
    }
  } finally {
    rmSync(home, { recursive: true });
  }
}

const show = (value: number) => value.toPrecision(3);

const [task] = process.argv.slice(2);
if (process.send && task) {
  process.send(await trial(JSON.parse(task) as Trial), () => process.disconnect());
} else {
  await main();
}
