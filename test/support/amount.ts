/**
 * How often a test does something: `whole` where MMAP_TRANSPORT_TEST_WHOLE is set, else `sample`,
 * so that `npm test` ends within minutes.
 */
export function amount(whole: number, sample: number): number {
  return process.env.MMAP_TRANSPORT_TEST_WHOLE ? whole : sample;
}
