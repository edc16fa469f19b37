import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { reasons } from '../support/platform.js';

interface Report {
  tests: { fullTitle: string }[];
}

/** The titles of all tests there are, none of which runs. */
function titles(): string[] {
  const files = readdirSync('dist/test', { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.test.js'))
    .map(name => join('dist/test', name));
  const args = ['node_modules/mocha/bin/mocha.js', '--no-config', '--dry-run', '-R', 'json'];
  const printed = execFileSync(process.execPath, [...args, ...files], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  return (JSON.parse(printed) as Report).tests.map(({ fullTitle }) => fullTitle);
}

describe('What cannot run on Windows', () => {
  it('is named by the titles of tests that there are', function () {
    this.timeout(60_000);
    const all = titles();
    const stale = Object.keys(reasons).filter(key => !all.some(title => title.startsWith(key)));
    expect(stale).to.deep.equal([]);
  });
});
