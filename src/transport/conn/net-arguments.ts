import { inspect } from 'node:util';
import { invalidArgument, outOfRange } from '../../errors.js';
import type { Rule } from '../../native/arguments.js';
import { timerLimit } from '../../timers.js';

/*
 * Arguments of the members that a `net.Socket` has too. What is wrong with them is reported as it
 * is there, with Node's class of error and code: programs that were written for a socket test these.
 */

function wrongType(name: string, expected: string, got: unknown): TypeError {
  const text = `The "${name}" argument must be of type ${expected}. Received ${inspect(got)}`;
  return Object.assign(new TypeError(text), { code: 'ERR_INVALID_ARG_TYPE' });
}

/**
 * @returns milliseconds that a timer of Node's can wait; with a warning where it cannot wait as long
 * @throws {TypeError} `ERR_INVALID_ARG_TYPE`
 * @throws {RangeError} `ERR_OUT_OF_RANGE`
 */
export function checkMilliseconds(name: string, value: unknown): number {
  if (typeof value !== 'number') throw wrongType(name, 'number', value);
  if (!(value >= 0 && Number.isFinite(value))) {
    const text = `The value of "${name}" must be a finite number of at least 0. Received ${value}`;
    throw Object.assign(new RangeError(text), { code: 'ERR_OUT_OF_RANGE' });
  }
  if (value < timerLimit) return value;
  const text = `${value} ms are more than a timer can wait: ${timerLimit - 1} ms it is.`;
  process.emitWarning(text, 'TimeoutOverflowWarning');
  return timerLimit - 1;
}

/** @throws {TypeError} `ERR_INVALID_ARG_TYPE` */
export function checkFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') throw wrongType(name, 'function', value);
}

/**
 * Bytes that wait on either side before `write` or `push` say so: a chunk of the carrier.
 * With the 16 KiB of older versions of Node each chunk would stop the reader.
 */
export const defaultHighWaterMark = 64 * 1024;

/** @throws {ShmError} `ERR_INVALID_ARG`, `ERR_OUT_OF_RANGE` */
export const checkHighWaterMark: Rule = (operation, name, value) => {
  const expected = 'a whole number of bytes of at least 0';
  if (typeof value !== 'number') throw invalidArgument(operation, name, expected, value);
  if (!Number.isInteger(value) || value < 0) throw outOfRange(operation, name, expected, value);
};
