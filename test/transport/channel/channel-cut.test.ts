import { truncateSync } from 'node:fs';
import { once } from 'node:events';
import { expect } from 'chai';
import { Channel, type Codec } from '../../../src/index.js';
import { thrown } from '../../support/errors.js';

describe('A channel whose file is cut while a message is decoded', () => {
  let near: Channel<Uint8Array>;
  let far: Channel<Uint8Array>;

  beforeEach(function () {
    if (process.platform === 'win32') this.skip(); // no file is cut there as long as it is mapped
    near = Channel.create<Uint8Array>({ codec: 'bytes' });
    const codec: Codec<Uint8Array> = {
      encode: value => value,
      decode: bytes => {
        truncateSync(near.handle.path, 0);
        return Uint8Array.from(bytes);
      },
    };
    far = Channel.open<Uint8Array>(near.handle, { codec });
    near.on('error', () => {});
  });
  afterEach(() => Promise.all([near?.close(), far?.close()]));

  it('emits no zeros, but ERR_TRUNCATED', async () => {
    const got: unknown[] = [];
    near.send(Buffer.alloc(10_000, 7));
    far.on('message', value => got.push(value));
    const [error] = (await once(far, 'error')) as [NodeJS.ErrnoException];
    expect([error.code, got]).to.deep.equal(['ERR_TRUNCATED', []]);
  });

  it('receiveSync throws it', () => {
    near.send(Buffer.alloc(10_000, 7));
    expect(thrown(() => far.receiveSync(1000)).code).to.equal('ERR_TRUNCATED');
  });
});
