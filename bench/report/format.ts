import type { Spread } from '../results.js';

/** What stands where there is nothing to show. */
export const none = '–';

const units: [number, string][] = [
  [1e9, ' G'],
  [1e6, ' M'],
  [1e3, ' k'],
];

/** Three significant digits, never as a power of ten. */
function digits(value: number): string {
  return value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}

/** 17300000 as '17.3 M'. */
export function count(value: number): string {
  const [size, unit] = units.find(([limit]) => value >= limit) ?? [1, ''];
  return digits(value / size) + unit;
}

export function range({ min, max }: Spread, format: (value: number) => string): string {
  return `${format(min)} – ${format(max)}`;
}

/** Bytes per second, in decimal units. */
export function rate(bytesPerSecond: number): string {
  return bytesPerSecond >= 1e9
    ? `${digits(bytesPerSecond / 1e9)} GB/s`
    : `${digits(bytesPerSecond / 1e6)} MB/s`;
}

export function microseconds(value: number): string {
  return digits(value);
}

export function bytes(value: number): string {
  if (value >= 2 ** 20) return `${value / 2 ** 20} MiB`;
  if (value >= 2 ** 10) return `${value / 2 ** 10} KiB`;
  return `${value} B`;
}

/** A quotient: two significant digits below 100. */
export function ratio(quotient: number | undefined): string {
  if (quotient === undefined) return none;
  return quotient >= 100 ? String(Math.round(quotient)) : String(Number(quotient.toPrecision(2)));
}
