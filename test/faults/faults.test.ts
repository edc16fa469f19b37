import { expect } from 'chai';
import { scratch, skip } from '../native/support.js';
import { buildInterposer, cannotInject, injectAll, type Report } from './run.js';

/** A few of the table, in seconds: `npm run faults` is all of it. */
describe('System calls that fail', function () {
  this.timeout(120_000);
  const path = scratch();
  before(function () {
    const reason = cannotInject();
    if (reason !== undefined) skip(this, reason);
    const library = buildInterposer(path(''));
    // All at once: they mostly wait for limits of time.
    for (const [operation, only] of sample) {
      const report = injectAll(operation, library, only);
      report.catch(() => {}); // its own test tells
      reports.set(operation, report);
    }
  });

  const reports = new Map<string, Promise<Report>>();
  const sample: [operation: string, only: string, least: number][] = [
    ['openFile: create exclusive, missing', '^(open|dup|fstat|mmap|link|mlock) E[AIMN]', 30],
    ['openFile: read-write, grown', '^(fallocate|fstat|mmap|dup) ', 20],
    ['openMem: new, in a directory with leftovers', '^(stat|unlink|flock|scandir) E', 30],
    ['Ring.create: kept in a file', '^(open|fstat|mmap|dup|pwrite) E[AIM]', 15],
    ['Ring.create', '^(flock|futex wake|mmap) E[AMN]', 5],
    ['ring.close: both roles taken', '', 20],
    ['consumer.read: parked, and woken', '^(mkfifo|write|open|rename) E', 15],
    ['dial: there and back, and both closed', '^(unlink|lock) E[PIN]', 15],
    ['bus.send and request', '^(write|accept) (EPIPE|EMFILE)', 2],
    ['bus.close', '^(stat|unlink|close) E[AI]', 5],
  ];
  for (const [operation, , least] of sample) {
    it(`${operation}: an error of ours, nothing left, and it works again`, async () => {
      const { outcomes } = (await reports.get(operation))!;
      expect(outcomes.length).to.be.at.least(least);
      expect(outcomes.filter(({ wrong }) => wrong.length > 0)).to.deep.equal([]);
    });
  }
});
