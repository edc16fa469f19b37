// A record that is never copied: filled where it will be read, and read where it lies.
import { Worker, isMainThread, workerData } from 'node:worker_threads';
import { fileURLToPath } from 'node:url';
import { Ring, type RingHandle } from 'mmap-transport';

const samples = 1000;

if (isMainThread) {
  const ring = Ring.create({ capacity: 65536 });
  const producer = ring.producer();
  new Worker(fileURLToPath(import.meta.url), { workerData: ring.handle });
  const record = producer.reserve(samples * 8);
  if (record) {
    const values = new Float64Array(record.buffer, record.byteOffset, samples);
    for (let i = 0; i < samples; i++) values[i] = Math.sqrt(i);
    producer.commit();
  }
  producer.end();
} else {
  const ring = Ring.open(workerData as RingHandle);
  const consumer = ring.consumer();
  while (consumer.waitSync()) {
    const record = consumer.peek()!;
    const values = new Float64Array(record.buffer, record.byteOffset, samples);
    console.log(`the largest of ${values.length} is ${Math.max(...values).toFixed(3)}`);
    consumer.release();
  }
  ring.close();
}
