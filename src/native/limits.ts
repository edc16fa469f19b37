import { constants as bufferConstants } from 'node:buffer';
import { outOfRange, ShmError } from '../errors.js';

/** The longest piece that this Node can address in one view, in bytes. */
export const maxLength = bufferConstants.MAX_LENGTH;

/** @throws {ShmError} `ERR_OUT_OF_RANGE` for a length that no view can have */
export function checkLength(operation: string, length: number): void {
  if (Number.isInteger(length) && length >= 0 && length <= maxLength) return;
  throw outOfRange(operation, 'length', `a whole number from 0 to ${maxLength}`, length);
}

/**
 * Before a file is made or mapped whole: V8 ends the process over a view that is too long.
 *
 * @throws {ShmError} `ERR_OUT_OF_RANGE`
 */
export function checkMappable(operation: string, bytes: number, address?: string): void {
  if (Number.isSafeInteger(bytes) && bytes >= 0 && bytes <= maxLength) return;
  const most = `expected at most ${maxLength} bytes, what Node ${process.version} can address in one view`;
  throw new ShmError('ERR_OUT_OF_RANGE', `${most}, got ${bytes}`, operation, address);
}
