import { inspect } from 'node:util';
import { invalidArgument, outOfRange } from '../../errors.js';
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

/** @throws {ShmError} `ERR_INVALID_ARG`, `ERR_OUT_OF_RANGE` */
export function checkHighWaterMark(operation: string, value: unknown): void {
  if (value === undefined) return;
  const expected = 'a whole number of bytes of at least 0';
  if (typeof value !== 'number') throw invalidArgument(operation, 'highWaterMark', expected, value);
  if (!Number.isInteger(value) || value < 0) {
    throw outOfRange(operation, 'highWaterMark', expected, value);
  }
}
