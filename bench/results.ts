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
}

/** A figure over all trials. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export type Figure = 'messagesPerSecond' | 'p50' | 'p99';

export function spread(measurement: Measurement, figure: Figure): Spread {
  const values = measurement.outcomes
    .map(outcome => outcome[figure])
    .filter(value => value !== undefined)
    .sort((a, b) => a - b);
  const middle = values.length >> 1;
  const median =
    values.length % 2 === 1 ? values[middle]! : (values[middle - 1]! + values[middle]!) / 2;
  return { median, min: values[0]!, max: values.at(-1)! };
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
