// Topics whose publisher laps its readers all the time: `node dist/test/soak/topic-soak.js [copies]`,
// until each reader has thrown away so many copies for each size.
import { torture } from '../transport/topic/torture.js';

const copies = Number(process.argv[2] ?? 100_000);
let wrong = 0;
for (const [capacity, share] of [
  [4096, 1],
  [65536, 0.2],
  [2 ** 20, 0.02],
] as const) {
  for (const readers of [1, 2]) {
    const results = await torture(capacity, Math.ceil(copies * share), true, readers);
    for (const result of results) {
      console.log(`${capacity} bytes, ${readers} readers: ${JSON.stringify(result)}`);
      wrong += result.torn + result.errors.length;
    }
  }
}
process.exitCode = wrong > 0 ? 1 : 0;
