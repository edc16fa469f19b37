import { ShmError } from '../../errors.js';
import type { TopicMemory } from './memory.js';

/** What the publisher and each reader of a topic are: a user of its memory, which may be cut. */
export abstract class TopicEnd {
  /** Microseconds of polling before sleep. */
  readonly spin: number;
  readonly memory: TopicMemory;
  protected readonly words: Int32Array;
  #seen = -1;

  constructor(memory: TopicMemory, spin: number) {
    this.memory = memory;
    this.spin = spin;
    this.words = memory.words;
  }

  /**
   * To be called after the memory was touched and before what was found there is used: where its file
   * was cut, what was written is lost. One load as long as that has not happened.
   *
   * @throws {ShmError} `ERR_TRUNCATED`, or what the file system says
   */
  checkMemory(operation: string): void {
    const changes = this.memory.changes[0]!;
    if (changes === this.#seen) return;
    const fault = this.memory.fault(`topic.${operation}`);
    if (fault) throw fault;
    this.#seen = changes;
  }

  error(code: string, operation: string, detail: string): ShmError {
    return new ShmError(code, detail, `topic.${operation}`, this.memory.address);
  }
}
