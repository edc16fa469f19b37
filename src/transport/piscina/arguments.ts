import { constants } from 'node:buffer';
import { invalidArgument, outOfRange } from '../../errors.js';

export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** @throws {ShmError} `ERR_INVALID_ARG` unless `isRight` */
export function checkArgument(
  isRight: boolean,
  operation: string,
  name: string,
  expected: string,
  got: unknown,
): asserts isRight {
  if (!isRight) throw invalidArgument(operation, name, expected, got);
}

/** @throws {ShmError} `ERR_OUT_OF_RANGE` for a length that no view can have */
export function checkLength(operation: string, length: number): void {
  if (Number.isInteger(length) && length >= 0 && length <= constants.MAX_LENGTH) return;
  throw outOfRange(operation, 'length', `a whole number from 0 to ${constants.MAX_LENGTH}`, length);
}
