import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { type Advice, type Mapped, openFile } from '../../src/index.js';
import { thrown } from '../support/errors.js';
import { scratch } from './support.js';

const page = 4096;

/** What each platform can show of pages without a look into its kernel. */
describe('Mapped: pages, as every platform shows them', () => {
  const path = scratch();
  let file: string;
  let mapped: Mapped;
  beforeEach(() => {
    file = path('pages');
    writeFileSync(file, Buffer.alloc(16 * page, 1));
    mapped = openFile(file, { access: 'read-write' });
  });
  afterEach(() => mapped.close());

  it('sync brings changes to the file', () => {
    mapped.bytes.fill(2, page, 2 * page);
    mapped.sync({ async: true, offset: page, length: page });
    mapped.sync({ invalidate: true });
    const expected = Buffer.alloc(16 * page, 1).fill(2, page, 2 * page);
    expect(readFileSync(file).equals(expected)).to.equal(true);
  });

  it('lock, unlock and every advice leave the content alone', () => {
    mapped.lock({ offset: 0, length: 4 * page });
    mapped.unlock({ offset: 0, length: 4 * page });
    const advices: Advice[] = ['normal', 'random', 'sequential', 'willneed', 'hugepage', 'cold'];
    for (const advice of advices) mapped.advise(advice);
    expect(mapped.bytes.every(byte => byte === 1)).to.equal(true);
  });

  it('resident tells of pages that were touched', () => {
    const sum = mapped.bytes.reduce((total, byte) => total + byte, 0);
    expect(sum).to.equal(16 * page);
    expect([...mapped.resident()]).to.deep.equal(Array.from({ length: 16 }, () => 1));
  });

  it('protect takes access away from our own calls, and gives it back', () => {
    mapped.protect('read', { offset: page, length: page });
    expect(mapped.at(page)).to.equal(1);
    const written = thrown(() => mapped.writeAt(Buffer.from([9]), page));
    expect(written.code).to.equal('EACCES');
    mapped.protect('none', { offset: page, length: page });
    expect(thrown(() => mapped.at(page)).code).to.equal('EACCES');
    expect(mapped.at(2 * page)).to.equal(1);
    mapped.protect('read-write', { offset: page, length: page });
    mapped.writeAt(Buffer.from([9]), page);
    expect(readFileSync(file)[page]).to.equal(9);
  });
});
