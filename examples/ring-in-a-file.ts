// A ring kept in an ordinary file: what was not read yet survives both processes.
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ring } from 'mmap-transport';

const path = join(tmpdir(), `journal-${process.pid}.ring`);

{
  using ring = Ring.create({ capacity: 65536, path });
  const producer = ring.producer();
  for (const line of ['first', 'second', 'third']) producer.tryWrite(Buffer.from(line));
  console.log(`read before the restart: ${Buffer.from(ring.consumer().tryRead()!).toString()}`);
}

// Here the program may end, or be killed. The next program to open the file finds the rest.
{
  using ring = Ring.open(path);
  const consumer = ring.consumer();
  consumer.drain((bytes, offset, length) => {
    console.log(`read after it: ${bytes.toString('utf8', offset, offset + length)}`);
  });
}
rmSync(path);
