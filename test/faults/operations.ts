import { linkOperations } from './link-operations.js';
import { memoryOperations } from './memory-operations.js';
import type { Operation } from './operation.js';
import { payloadOperations } from './payload-operations.js';
import { ringOperations } from './ring-operations.js';

/** All that is made to fail. */
export const operations: readonly Operation[] = [
  ...memoryOperations,
  ...ringOperations,
  ...linkOperations,
  ...payloadOperations,
];
