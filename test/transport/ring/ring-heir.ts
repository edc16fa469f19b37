// A fresh process that opens a ring kept in a file and reports all that is left in it.
import { Ring } from '../../../src/index.js';

const ring = Ring.open(process.argv[2]!);
const consumer = ring.consumer();
const records: Uint8Array[] = [];
for (let record = consumer.tryRead(); record; record = consumer.tryRead()) records.push(record);
ring.close();
process.send!(records, () => process.disconnect());
