// How numbers are shown to people.

const units: [number, string][] = [
  [1e12, ' T'],
  [1e9, ' G'],
  [1e6, ' M'],
  [1e3, ' k'],
];

/** Three significant digits, never as a power of ten. */
export function digits(value: number): string {
  return value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}

/** 17300000 as '17.3 M'. */
export function count(value: number): string {
  const [size, unit] = units.find(([limit]) => value >= limit) ?? [1, ''];
  return digits(value / size) + unit;
}

const rateUnits: [number, string][] = [
  [1e9, 'GB/s'],
  [1e6, 'MB/s'],
  [1e3, 'kB/s'],
];

/** Bytes per second, in decimal units. */
export function rate(bytesPerSecond: number): string {
  const [size, unit] = rateUnits.find(([limit]) => bytesPerSecond >= limit) ?? [1, 'B/s'];
  return `${digits(bytesPerSecond / size)} ${unit}`;
}

/** Bytes that lie somewhere, in binary units. */
export function bytes(value: number): string {
  if (value >= 2 ** 30) return `${digits(value / 2 ** 30)} GiB`;
  if (value >= 2 ** 20) return `${digits(value / 2 ** 20)} MiB`;
  if (value >= 2 ** 10) return `${digits(value / 2 ** 10)} KiB`;
  return `${value} B`;
}
