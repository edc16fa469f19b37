import { constants as bufferConstants } from 'node:buffer';
import { ShmError } from '../errors.js';

/** The longest piece that this Node can address in one view, in bytes. */
export const maxLength = bufferConstants.MAX_LENGTH;

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
