import { digits } from '../../src/command/number-format.js';
import type { Spread } from '../results.js';

export { bytes, count, rate } from '../../src/command/number-format.js';

/** What stands where there is nothing to show. */
export const none = '–';

export function range({ min, max }: Spread, format: (value: number) => string): string {
  return `${format(min)} – ${format(max)}`;
}

export function microseconds(value: number): string {
  return digits(value);
}

/** A quotient: two significant digits below 100. */
export function ratio(quotient: number | undefined): string {
  if (quotient === undefined) return none;
  return quotient >= 100 ? String(Math.round(quotient)) : String(Number(quotient.toPrecision(2)));
}
