import { types } from 'node:util';
import { invalidArgument } from '../errors.js';

/*
 * What is handed over is looked at by what it is, not by its constructor: values of another realm
 * (a vm context, Jest) have other constructors.
 */

/** Whether it is memory of any kind, or a view of some. */
export function isMemory(value: unknown): boolean {
  return types.isAnyArrayBuffer(value) || ArrayBuffer.isView(value);
}

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

/**
 * An object of options. Arrays, maps, dates, memory and the like are none.
 *
 * @throws {ShmError} `ERR_INVALID_ARG`
 */
export function checkObject(operation: string, value: unknown, name = 'options'): void {
  const isCandidate = isObject(value) && !isMemory(value);
  if (isCandidate && Object.prototype.toString.call(value) === '[object Object]') return;
  throw invalidArgument(operation, name, 'an object', value);
}
