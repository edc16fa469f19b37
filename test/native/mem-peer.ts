// Another process that has shared memory: see map-mem.test.ts.
import { openFile, openMem } from '../../src/index.js';

const [what, argument] = process.argv.slice(2) as [string, string];

switch (what) {
  case 'own': {
    const mem = openMem();
    mem.writeByte(77);
    process.send!(mem.id);
    process.once('message', () => {
      mem.close();
      process.disconnect();
    });
    break;
  }
  case 'count': {
    const mem = openMem(argument, { access: 'read-write' });
    const words = new Int32Array(mem.buffer);
    const timer = setInterval(() => {
      for (let i = 0; i < 10_000; i++) Atomics.add(words, 1, 1);
      Atomics.add(words, 2, 10_000);
    }, 1);
    process.send!('counting');
    process.once('message', () => {
      clearInterval(timer);
      process.disconnect();
    });
    break;
  }
  case 'end': {
    const mem = openMem();
    openFile(process.execPath).at(0);
    mem.writeByte(1);
    process.disconnect();
    if (argument === 'exit') process.exit();
    if (argument === 'throw') throw new Error('on purpose');
  }
}
