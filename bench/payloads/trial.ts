import { Piscina } from 'piscina';
import { Bench } from 'tinybench';
import { PayloadArena } from '../../src/transport/piscina/index.js';
import { type Direction, ways } from './ways.js';

export interface Trial {
  readonly direction: Direction;
  readonly size: number;
  readonly milliseconds: number;
  /** Which way comes first: every trial another. */
  readonly turn: number;
}

/** Tasks per second in each round, by the way's label. */
export type Outcome = Record<string, number[]>;

const threads = 2;

/** Tasks that are under way at once, so that no thread waits for the next one. */
const lanes = 8;

/** Tasks one after the other in each lane: their common end, when threads wait, is rare. */
const tasksPerLane = (size: number) => Math.max(1, Math.min(8, (8 << 20) / size));

/** Every way gets a turn in each, so that what slows the machine for a while slows all. */
const rounds = 4;

/** All ways in one process, on the same pool, in turns. */
export async function runTrial(trial: Trial): Promise<Outcome> {
  const { direction, size, milliseconds, turn } = trial;
  using arena = PayloadArena.create({ bytes: Math.max(4 << 20, 3 * lanes * size) });
  const pool = new Piscina({
    filename: new URL('./task.js', import.meta.url).href,
    minThreads: threads,
    maxThreads: threads,
    workerData: { payloads: arena.handle },
  });
  const place = { pool, arena, source: new Uint8Array(size).fill(1) };
  const each = tasksPerLane(size);
  const outcome: Outcome = {};
  for (let round = 0; round < rounds; round++) {
    const bench = new Bench({
      time: milliseconds / rounds,
      iterations: 2,
      // Some ten thousand tasks, so that the code gets compiled; a forced collection undoes some.
      warmupTime: milliseconds / rounds,
      warmupIterations: 1,
      setup: (_task, mode) => {
        if (mode === 'warmup') globalThis.gc?.();
      },
    });
    const row = ways[direction];
    for (let i = 0; i < row.length; i++) {
      const way = row[(i + turn + round) % row.length]!;
      const lane = async () => {
        for (let task = 0; task < each; task++) await way.run(place);
      };
      // Declared async, for tinybench to see: it would call any other once more, unawaited.
      bench.add(way.label, async () => {
        await Promise.all(Array.from({ length: lanes }, lane));
      });
    }
    for (const { name, result } of await bench.run()) {
      if (result.state !== 'completed') throw new Error(`${name}: ${result.state}`);
      (outcome[name] ??= []).push((lanes * each * 1000) / result.latency.p50);
    }
  }
  const { fallbacks } = arena.stats();
  if (fallbacks > 0) throw new Error(`${fallbacks} payloads were cloned: the arena is too small`);
  await pool.destroy();
  return outcome;
}
