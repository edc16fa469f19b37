import { readdirSync } from 'node:fs';
import { expect } from 'chai';
import { cannotDeny, type Denied, startDenied } from '../support/denied.js';
import { outcome, sibling } from '../support/processes.js';
import { scratch, skip } from './support.js';

const peer = sibling(import.meta.url, './locks-peer.js');
const setLock = 37; // F_OFD_SETLK

describe('Locks that the system refuses', function () {
  const path = scratch();
  before(function () {
    const reason = cannotDeny();
    if (reason !== undefined) skip(this, reason);
  });

  async function said(denied: Denied) {
    const child = startDenied(path(''), denied, [peer, path('refused.sock')]);
    const { code, stdout, stderr } = await outcome(child);
    expect(stderr).to.equal('');
    expect(code).to.equal(0);
    expect(readdirSync(process.env.MMAP_TRANSPORT_DIR!)).to.deep.equal([]);
    return JSON.parse(stdout) as unknown;
  }

  const bySocket = { link: 'socket', data: 'hello' };

  it('those of a whole file: an error that names the cause, and links go over the socket', async () => {
    const error = 'ENOLCK';
    const expected = { openMem: error, Ring: error, Channel: error, ...bySocket };
    expect(await said({ call: 'flock', error })).to.deep.equal(expected);
  });

  it('those of bytes, by which the living are known: the same, where they are needed', async () => {
    const error = 'EPERM';
    const argument = { index: 1, from: setLock, to: setLock };
    const expected = { openMem: 'works', Ring: error, Channel: error, ...bySocket };
    expect(await said({ call: 'fcntl', error, argument })).to.deep.equal(expected);
  });
});
