import { expect } from 'chai';
import { fitting, programOf, shortNames } from '../../src/command/fitting.js';
import { rate } from '../../src/command/number-format.js';
import type { RegionReport } from '../../src/command/region-report.js';
import { listTable } from '../../src/command/tables.js';

const names = [
  'ring-d558e5f26bc0f20ced9586a2',
  'ring-d558e0f26bc0f20ced9586a2',
  'bus-d558e5f26bc0f20ced9586a2',
];

describe('What the command shows in a narrow terminal', () => {
  it('names are as short as tells them apart, and 4 digits at least', () => {
    const short = shortNames([...names, 'jobs.ring']);
    expect([...short.values()]).to.deep.equal(['ring-d558e5', 'ring-d558e0', 'bus-d558']);
  });

  it('ls fits 80 columns, and leaves out nothing where there is room', () => {
    const ring = {
      ...{ capacity: 2 ** 20, used: 300, bytesWritten: 0, recordsWritten: 0, recordsRead: 0 },
      fullCount: 0,
      producer: { state: 'attached', pid: 1, alive: true, wakes: 0 },
      consumer: { state: 'attached', pid: 1, alive: true, wakes: 0 },
    } as const;
    const reports = names.map((name): RegionReport => {
      const content = { kind: 'channel', rings: [ring, ring] } as const;
      const pids = [process.pid, 2 ** 22];
      return { name, path: name, kind: 'channel', state: 'in use', pids, size: 2 ** 21, content };
    });
    const narrow = listTable(reports, 80).split('\n');
    expect(Math.max(...narrow.map(line => line.length))).to.be.at.most(80);
    expect(narrow[1]).to.match(/^ring-d558e5 +channel +2 MiB +in use /);
    const wide = listTable(reports, 200);
    expect(wide).to.include(names[0]).and.to.include('PROGRAM');
    if (process.platform === 'linux') expect(wide).to.include(programOf(process.pid));
  });

  it('a text that never fits is cut, and says so', () => {
    expect(fitting(5, ['123456789', '1234567'])).to.equal('1234…');
    expect(fitting(7, ['123456789', '1234567'])).to.equal('1234567');
  });

  it('small rates are readable', () => {
    expect([0.5, 22.9, 1500, 2.5e6, 3e9].map(rate)).to.deep.equal([
      ...['0.5 B/s', '22.9 B/s', '1.5 kB/s', '2.5 MB/s', '3 GB/s'],
    ]);
  });
});
