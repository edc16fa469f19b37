/** Lengths that, from the place where the tests begin, make padding necessary. */
const lengths = [1000, 1500, 50, 61, 120];

export const recordCount = lengths.length;

/** The record of this index, the same in every process. */
export function recordOf(index: number): Uint8Array {
  return Uint8Array.from({ length: lengths[index]! }, (_, at) => index * 31 + at * 7);
}
