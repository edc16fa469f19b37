import { expect } from 'chai';
import { ShmError } from '../../src/index.js';

/** What a call throws, as a ShmError; fails if it throws nothing. */
export function thrown(call: () => unknown): ShmError {
  try {
    call();
  } catch (error) {
    expect(error).to.be.instanceOf(ShmError);
    return error as ShmError;
  }
  throw new Error('expected an error');
}

/** What a promise is rejected with, as a ShmError; a signal's reason is accepted too. */
export async function rejected(promise: Promise<unknown>): Promise<ShmError> {
  try {
    await promise;
  } catch (error) {
    expect(error).to.be.instanceOf(Error);
    return error as ShmError;
  }
  throw new Error('expected a rejection');
}
