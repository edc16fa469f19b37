import { Bench } from 'tinybench';
import type { Sender } from './transports/transport.js';
import type { Outcome, Trial } from './trial.js';

/** A batch this long makes the wait for its acknowledgement small against the sending. */
const batchMilliseconds = 30;

/** A round trip shorter than this is timed several at a time: the clock is too coarse. */
const sampleMilliseconds = 0.01;
const maxTripsPerSample = 64;

/**
 * Round trips before the measured ones, in times of how long those take. A thousand requests
 * by HTTP are not enough to have all of its code compiled, and take 300 milliseconds.
 */
const warmUpOfTrips = 3;

const calibrationTries = 4;

/**
 * Measures one transport with tinybench. Its task is a batch of messages with its
 * acknowledgement, or some round trips one after another.
 */
export async function measure(trial: Trial, sender: Sender): Promise<Outcome> {
  let messages = 0;
  const send = (count: number): Promise<void> | void => {
    messages += count;
    return sender.batch(count);
  };
  const first = send(trial.rings);
  await first;
  const isAsync = first instanceof Promise;

  let batch: number;
  let task: () => Promise<void> | void;
  if (trial.kind === 'throughput') {
    // Twice: the first time it is still being compiled, and either may meet a busy machine,
    // which makes a batch too small, never too large.
    const cold = await calibrate(send, trial.rings, batchMilliseconds);
    batch = Math.max(cold, await calibrate(send, trial.rings, batchMilliseconds));
    task = () => send(batch);
  } else {
    const warmUp = warmUpOfTrips * trial.milliseconds;
    for (const end = performance.now() + warmUp; performance.now() < end;) {
      await send(1);
    }
    const fitting = await calibrate(send, 1, sampleMilliseconds);
    const trips = Math.min(maxTripsPerSample, fitting);
    batch = trips;
    task = isAsync ? () => tripsAsync(send, trips) : () => tripsSync(send, trips);
  }

  const bench = new Bench({
    time: trial.milliseconds,
    iterations: 4,
    warmupTime: trial.milliseconds / 4,
    warmupIterations: 2,
    throws: true,
  }).add(trial.transport, task, { async: isAsync });
  if (isAsync) await bench.run();
  else bench.runSync();

  const result = bench.tasks[0]!.result;
  if (result.state !== 'completed') throw new Error(`the measurement ended as ${result.state}`);
  if (trial.kind === 'throughput') {
    return { messages, batch, messagesPerSecond: (1000 * batch) / result.latency.p50 };
  }
  const perTrip = (milliseconds: number): number => (1000 * milliseconds) / batch;
  return {
    messages,
    batch,
    p50: perTrip(result.latency.p50),
    p99: perTrip(result.latency.p99),
  };
}

async function tripsAsync(send: (count: number) => Promise<void> | void, trips: number) {
  for (let i = 0; i < trips; i++) await send(1);
}

function tripsSync(send: (count: number) => Promise<void> | void, trips: number): void {
  for (let i = 0; i < trips; i++) void send(1);
}

/**
 * Messages in a batch that takes about `target` milliseconds: a multiple of `step`. The
 * best of some tries counts: one that the scheduler interrupted says nothing of the size.
 */
async function calibrate(
  send: (count: number) => Promise<void> | void,
  step: number,
  target: number,
): Promise<number> {
  for (let count = step; ; count *= 2) {
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < calibrationTries && best >= target / 2; i++) {
      const start = performance.now();
      await send(count);
      best = Math.min(best, performance.now() - start);
    }
    if (best >= target / 2) return step * Math.max(1, Math.round((count * target) / best / step));
  }
}
