/**
 * Takes what is thrown into the event loop while an action runs, in mocha's place.
 *
 * @returns what was thrown, in order
 */
export async function catchingUncaught(action: () => Promise<void>): Promise<unknown[]> {
  const caught: unknown[] = [];
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', error => caught.push(error));
  try {
    await action();
  } finally {
    process.removeAllListeners('uncaughtException');
    for (const listener of listeners) process.on('uncaughtException', listener);
  }
  return caught;
}
