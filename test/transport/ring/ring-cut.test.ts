import { truncateSync } from 'node:fs';
import { expect } from 'chai';
import { Ring } from '../../../src/index.js';
import { ringHeaderBytes, ringTrailerBytes } from '../../../src/transport/ring/layout.js';
import { lostPages, shorterThan } from '../../../src/native/truncation.js';
import { scratch } from '../../native/support.js';
import { rejected, thrown } from '../../support/errors.js';

const capacity = 65536;
const size = ringHeaderBytes + capacity + ringTrailerBytes;
const record = Buffer.alloc(6000, 7);

/** Two ends of one ring, each with a mapping of its own, as in two processes. */
describe('A ring whose file is cut', () => {
  const path = scratch();
  let count = 0;
  let file: string;
  let writing: Ring;
  let reading: Ring;

  beforeEach(() => {
    file = path(`ring-${count++}`);
    writing = Ring.create({ capacity, path: file });
    reading = Ring.open(file);
  });
  afterEach(() => {
    writing.close();
    reading.close();
  });

  const cuts: Record<string, () => void> = {
    'to nothing': () => truncateSync(file, 0),
    'behind its header': () => truncateSync(file, 4096),
    'amid a record, within a page': () => truncateSync(file, 5000),
    'by one byte': () => truncateSync(file, size - 1),
    'and grows again': () => {
      truncateSync(file, 0);
      truncateSync(file, size);
    },
  };

  for (const name of ['tryRead', 'drain', 'peek', 'borrow'] as const) {
    it(`within a page, behind what ${name} has seen already: nothing wrong is delivered`, () => {
      const producer = writing.producer();
      const consumer = reading.consumer();
      const short = Buffer.alloc(100, 7);
      for (let i = 0; i < 3; i++) producer.tryWrite(short);
      // The consumer knows of all three now. The second one's last bytes go, and no page does.
      expect(consumer.tryRead()).to.deep.equal(new Uint8Array(short));
      truncateSync(file, ringHeaderBytes + 112 + 8 + 50);
      const found: number[] = [];
      const handler = (bytes: Uint8Array, offset: number) => void found.push(bytes[offset]!);
      expect(thrown(() => consumer[name](handler)).code).to.equal('ERR_TRUNCATED');
      expect(found).to.deep.equal([]);
    });
  }

  for (const [how, cut] of Object.entries(cuts)) {
    describe(how, () => {
      const reads = {
        tryRead: (consumer: ReturnType<Ring['consumer']>) => consumer.tryRead(),
        readSync: (consumer: ReturnType<Ring['consumer']>) => consumer.readSync(1000),
        peek: (consumer: ReturnType<Ring['consumer']>) => consumer.peek(),
        borrow: (consumer: ReturnType<Ring['consumer']>) => consumer.borrow(),
        drain: (consumer: ReturnType<Ring['consumer']>) =>
          consumer.drain((bytes, offset, length) => {
            expect([...new Set(bytes.subarray(offset, offset + length))]).to.deep.equal([7]);
          }),
      };
      for (const [name, read] of Object.entries(reads)) {
        it(`${name} delivers nothing wrong, and throws ERR_TRUNCATED, now and ever after`, () => {
          const producer = writing.producer();
          const consumer = reading.consumer();
          producer.tryWrite(record);
          expect(consumer.tryRead()).to.deep.equal(new Uint8Array(record));
          for (let i = 0; i < 3; i++) producer.tryWrite(record);
          cut();
          for (let i = 0; i < 3; i++) {
            expect(thrown(() => read(consumer)).code).to.equal('ERR_TRUNCATED');
          }
          expect(thrown(() => reading.consumer()).code).to.match(/ERR_TRUNCATED|ERR_ROLE_TAKEN/);
        });
      }

      it('the writer is told too', () => {
        const producer = writing.producer();
        const consumer = reading.consumer();
        producer.tryWrite(record);
        cut();
        // Where the pages are there again, zeros, it is the reader who finds the records gone.
        if (how === 'and grows again') expect(() => consumer.tryRead()).to.throw('ERR_TRUNCATED');
        const codes = new Set<string>();
        for (let i = 0; i < 40; i++) {
          try {
            if (!producer.tryWrite(record)) codes.add('full');
          } catch (error) {
            codes.add((error as { code: string }).code);
          }
        }
        if (how !== 'and grows again') expect([...codes]).to.deep.equal(['ERR_TRUNCATED']);
        else expect([...codes]).to.include('ERR_TRUNCATED');
        expect(thrown(() => producer.writeSync(record, 100)).code).to.equal('ERR_TRUNCATED');
      });
    });
  }

  it('a reader that is parked, or blocked, is told by itself', async () => {
    const consumer = reading.consumer();
    writing.producer();
    const waiting = consumer.read();
    truncateSync(file, 0);
    expect((await rejected(waiting)).code).to.equal('ERR_TRUNCATED');
    const ring = Ring.create({ capacity, path: path('blocked') });
    const other = ring.consumer();
    ring.producer();
    truncateSync(path('blocked'), 0);
    expect(thrown(() => other.readSync()).code).to.equal('ERR_TRUNCATED');
    ring.close();
  });

  it('a writer that waits for room, or fills a record in place, is told', async () => {
    const producer = writing.producer();
    reading.consumer();
    while (producer.tryWrite(record));
    const waiting = producer.write(record);
    truncateSync(file, 0);
    expect((await rejected(waiting)).code).to.equal('ERR_TRUNCATED');

    const ring = Ring.create({ capacity, path: path('in place') });
    const other = ring.producer();
    other.reserve(record.length)!.set(record);
    truncateSync(path('in place'), 0);
    expect(thrown(() => other.commit()).code).to.equal('ERR_TRUNCATED');
    ring.close();
  });

  it('corked records are lost with an error, and the end is quiet', () => {
    const producer = writing.producer();
    producer.cork();
    producer.tryWrite(record);
    truncateSync(file, 0);
    expect(thrown(() => producer.uncork()).code).to.equal('ERR_TRUNCATED');
    producer.end();
    expect(producer.closed).to.equal(true);
  });

  it('stats and new roles say so, and other rings go on', () => {
    const other = Ring.create({ capacity });
    const producer = other.producer();
    const consumer = other.consumer();
    truncateSync(file, 0);
    for (const call of [
      () => writing.stats(),
      () => writing.producer(),
      () => writing.consumer(),
      () => reading.consumer(),
    ]) {
      expect(thrown(call).code).to.equal('ERR_TRUNCATED');
    }
    for (let i = 0; i < 100; i++) {
      expect(producer.tryWrite(record)).to.equal(true);
      expect(consumer.tryRead()).to.deep.equal(new Uint8Array(record));
    }
    other.close();
  });

  it('a file system that fails is reported as one', () => {
    // A descriptor that is none stands for a file whose system has died.
    const none = 2 ** 30;
    expect(lostPages(none, 0, 10, 'file.read', file)).to.include({ code: 'EBADF', address: file });
    expect(thrown(() => shorterThan(none, 10, 'file.sync', file)).code).to.equal('EBADF');
    expect(lostPages(-1, 0, 10, 'file.read', file).code).to.equal('ERR_TRUNCATED');
  });
});
