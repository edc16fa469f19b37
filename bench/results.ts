import type { Environment } from './environment.js';
import type { SuiteName } from './plan.js';
import type { Subject } from './plan.js';
import type { Outcome } from './trial.js';

/** A subject with the outcome of each of its trials. */
export interface Measurement extends Subject {
  readonly suite: SuiteName;
  /** How tables name the transport. */
  readonly label: string;
  readonly outcomes: readonly Outcome[];
}

/** What a run writes as JSON, and all that tables, docs and chart are made from. */
export interface Results {
  readonly environment: Environment;
  readonly trials: number;
  readonly milliseconds: number;
  readonly measurements: readonly Measurement[];
  /**
   * Round trips between the two cores in C++, in microseconds, one taken before each trial
   * that polls: where the machine is a virtual one, its cores may move apart and together.
   */
  readonly coreToCore?: readonly number[];
}

/** A figure over all trials. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export type Figure = 'messagesPerSecond' | 'p50' | 'p99';

export function spread(measurement: Measurement, figure: Figure): Spread {
  return spreadOf(figures(measurement, figure));
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median =
    sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, min: sorted[0]!, max: sorted.at(-1)! };
}

function figures(measurement: Measurement, figure: Figure): number[] {
  return measurement.outcomes.map(outcome => outcome[figure]).filter(value => value !== undefined);
}

/**
 * How many times the one is the other: the median over the trials, each against the trial of
 * the other that was next to it. What the machine does to both for a while then cancels out.
 */
export function quotient(
  measurement: Measurement | undefined,
  base: Measurement | undefined,
  figure: Figure,
): number | undefined {
  if (!measurement || !base) return undefined;
  const [values, bases] = [figures(measurement, figure), figures(base, figure)];
  // A trial that failed leaves no partner.
  if (values.length !== bases.length) return spreadOf(values).median / spreadOf(bases).median;
  return spreadOf(values.map((value, trial) => value / bases[trial]!)).median;
}

/** The measurements of a suite that match, in the order they were planned. */
export function select(
  results: Results,
  suite: SuiteName,
  match: Partial<Subject> = {},
): Measurement[] {
  const wanted = Object.entries(match) as [keyof Subject, unknown][];
  return results.measurements.filter(
    measurement =>
      measurement.suite === suite && wanted.every(([key, value]) => measurement[key] === value),
  );
}
