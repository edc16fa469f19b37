import type { ChildProcess } from 'node:child_process';
import type { MessagePort, Worker } from 'node:worker_threads';
import type { Incoming, Outgoing } from '../messages.js';
import type { Place, Trial } from '../trial.js';

/**
 * A way to carry messages, as the bench sees it. To add one: a module beside this file
 * that makes one of these, and a line in registry.ts.
 */
export interface Transport {
  /** How the command line and the results name it. */
  readonly name: string;
  /** How tables name it. */
  readonly label: string;
  readonly places: readonly Place[];
  /** Both sides poll, and so want a core each; others are best left to the scheduler. */
  readonly polls: boolean;
  /** The measuring side. */
  send(context: SenderContext): Promise<Sender>;
  /**
   * The other side: reads messages until the sender is gone, and acknowledges each batch.
   * May block its thread for good.
   */
  receive(context: ReceiverContext): void;
}

/** A transport that is a program of its own, both sides and the measuring included. */
export interface ProgramTransport extends Pick<Transport, 'name' | 'label' | 'places' | 'polls'> {
  /** Arguments of the C++ program; it prints an Outcome as JSON. */
  arguments(trial: Trial, directory: string): string[];
}

/** A way between the processes of a cluster, which is made for the trial: primary and workers. */
export interface ClusterTransport extends Pick<Transport, 'name' | 'label' | 'places' | 'polls'> {
  readonly workers: number;
  /** Which process measures: the primary, or the first worker. All other workers receive. */
  readonly sender: 'primary' | 'worker';
  send(context: ClusterContext): Promise<Sender>;
  /** In each receiver: returns once messages can come. */
  receive(context: ClusterContext): Promise<void> | void;
  /** In the primary, where it does not measure, once all workers are there. */
  attend?(): void;
}

export interface ClusterContext {
  readonly trial: Trial;
  readonly outgoing: Outgoing;
  readonly incoming: Incoming;
  /** The ids of the workers that receive. */
  readonly receivers: readonly number[];
}

export interface SenderContext {
  readonly trial: Trial;
  /** A directory for sockets and files, removed after the run. */
  readonly directory: string;
  readonly outgoing: Outgoing;
  /**
   * Starts the receiver and waits until it is ready.
   *
   * @param handover plain data that it gets
   * @param serialization of the channel to a receiving process
   */
  readonly start: (handover?: unknown, serialization?: 'json' | 'advanced') => Promise<Peer>;
}

/** The receiver: a process or a thread, by the trial's place. */
export interface Peer {
  readonly process?: ChildProcess;
  readonly thread?: Worker;
}

export interface Sender {
  /**
   * Sends `count` messages and waits until the receiver has acknowledged them. A batch of
   * one is a round trip. Either always a promise or never.
   */
  batch(count: number): Promise<void> | void;
  close(): void;
}

export interface ReceiverContext {
  readonly trial: Trial;
  /** What the sender handed over. */
  readonly handover: unknown;
  readonly incoming: Incoming;
  /** The sender's thread, where the receiver is a thread. */
  readonly port: MessagePort | null;
  /** To be called once messages can come. */
  readonly ready: () => void;
}
