import { type Figure, type Measurement, spread } from '../results.js';
import { count, range, rate } from './format.js';

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export const messages: Figure = 'messagesPerSecond';

/** How often it was done, and how far apart the trials are. */
export const frequencyColumns = ['messages/s', 'lowest – highest'];

export function frequencyCells(measurement: Measurement): string[] {
  const figures = spread(measurement, messages);
  return [count(figures.median), range(figures, count)];
}

export const rateColumns = ['', ...frequencyColumns, 'payload'];

export function rateCells(measurement: Measurement): string[] {
  const bytesPerSecond = spread(measurement, messages).median * measurement.size;
  return [measurement.label, ...frequencyCells(measurement), rate(bytesPerSecond)];
}

export function sizesOf(measurements: readonly Measurement[]): number[] {
  return [...new Set(measurements.map(({ size }) => size))].sort((a, b) => a - b);
}
