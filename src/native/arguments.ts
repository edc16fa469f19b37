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

/**
 * An object of options. Arrays, maps, dates, memory and the like are none.
 *
 * @throws {ShmError} `ERR_INVALID_ARG`
 */
export function checkObject(operation: string, value: unknown, name = 'options'): void {
  const isObject = typeof value === 'object' && value !== null && !isMemory(value);
  if (isObject && Object.prototype.toString.call(value) === '[object Object]') return;
  throw invalidArgument(operation, name, 'an object', value);
}
