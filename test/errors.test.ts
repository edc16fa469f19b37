import { expect } from 'chai';
import { systemError } from '../src/errors.js';
import { skip } from './native/support.js';

describe('An error of the system', () => {
  // Some systems have two names for one number; callers compare with these.
  for (const [name, errno] of Object.entries({ EAGAIN: 11, ENOTSUP: 95, ENOSPC: 28 })) {
    it(`is called ${name}, as Node calls it`, function () {
      if (process.platform !== 'linux') skip(this, 'other systems have other numbers');
      const error = systemError({ errno, syscall: 'open' }, 'doorbell.create', '/x');
      expect(error).to.include({ code: name, operation: 'doorbell.create', address: '/x' });
      expect(error.message).to.equal(`${name}: open failed, doorbell.create '/x'`);
    });
  }
});
