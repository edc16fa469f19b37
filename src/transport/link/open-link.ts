import type { Socket } from 'node:net';
import { isAbsolute } from 'node:path';
import { ShmError } from '../../errors.js';
import { existingDirectory, regionDirectory } from '../../native/directory.js';
import { type FirstWords, isLocal } from './address.js';
import {
  elsewhere,
  type Link,
  type LinkOptions,
  mostAsked,
  protocolError,
  readCapacity,
  readFallback,
  readNonce,
  reason,
  whyNot,
  unwanted,
} from './handshake.js';
import {
  type Body,
  encode,
  fitsMessage,
  type HandshakeContext,
  HandshakeKind,
  receiveMessage,
  refuse,
  sendMessage,
} from './handshake-messages.js';
import {
  discard,
  Fallback,
  type LinkKind,
  makeRegion,
  newNonce,
  offerOf,
  type RingPair,
  type Shared,
  verify,
} from './sharing.js';

/** What an offer takes in a hello, without the path of its directory. */
const offerBytes = 150;

/** The longest path of a directory that a listener may name. */
const longestDirectory = 1024;

interface OpeningOptions extends LinkOptions {
  /** Called with each socket that is being connected. */
  connecting?: ((socket: Socket) => void) | undefined;
}

/** The dialer's half of a handshake, and the memory that it has made for it. */
export class Opening<E extends RingPair> implements FirstWords {
  /** What it has made so far, if anything. */
  shared: Shared<E> | undefined;
  readonly #kind: LinkKind<E>;
  readonly #options: OpeningOptions;
  readonly #context: HandshakeContext;
  readonly #nonce = newNonce();
  /** The rings are in use: they cannot be exchanged for others. */
  readonly early: boolean;
  /** Why nothing was made where this side would have made it. */
  #failure: string | undefined;
  /** The directory of {@link shared}. */
  #home = '';

  /**
   * @param early makes the memory at once, whatever the listener will ask for
   * @throws {ShmError} `ERR_TOO_LARGE` for a greeting that no message takes
   */
  constructor(
    kind: LinkKind<E>,
    options: OpeningOptions,
    context: HandshakeContext,
    early = false,
  ) {
    this.#kind = kind;
    this.#options = options;
    this.#context = context;
    this.early = early;
    // With room for what an offer takes.
    if (!fitsMessage({ ...this.#hello(), offer: 'x'.repeat(offerBytes) })) {
      const detail = 'the greeting does not fit into a message';
      throw new ShmError('ERR_TOO_LARGE', detail, context.operation, context.address);
    }
    if (early) this.#make();
  }

  /** The first message. @param socket where it goes; that it leads here must be known by now */
  hello(socket: Socket): Buffer {
    this.#options.connecting?.(socket);
    if (!this.early) this.#make(socket);
    const { shared } = this;
    const offer = shared && offerOf(shared, this.#wished(), this.#nonce, this.#home);
    // From now on the listener may be the one that uses it last.
    if (this.early) shared?.region.leaveName();
    const hello = { ...this.#hello(), offer, early: this.early && !!offer };
    if (fitsMessage(hello)) return encode(HandshakeKind.hello, hello);
    return encode(HandshakeKind.hello, { ...hello, offer: { ...offer, directory: undefined } });
  }

  /**
   * Everything after the hello.
   *
   * @throws {ShmError} as {@link receiveMessage}; the peer has been told, unless it may take the link
   *   for made; the socket is closing; {@link shared} is still there, to be discarded
   */
  async finish(socket: Socket): Promise<Link<E>> {
    /** Whether the listener still expects a message, or takes the link for made. */
    let listener: 'expects' | 'unknown' | 'done' = 'unknown';
    try {
      const { ask, start } = HandshakeKind;
      let reply = await receiveMessage(socket, [ask, start], this.#context);
      if (reply.kind === ask) {
        listener = 'expects';
        sendMessage(socket, HandshakeKind.offer, this.#answer(socket, reply.body));
        listener = 'unknown';
        reply = await receiveMessage(socket, [start], this.#context);
      }
      let { body } = reply;
      listener = body.confirm === true ? 'expects' : 'done';
      let fallbackReason = readFallback(body, this.#context);
      if (fallbackReason === undefined) {
        fallbackReason = this.#verify(body);
        if (body.confirm === true) {
          sendMessage(socket, HandshakeKind.confirm, { fallback: fallbackReason });
          listener = 'unknown';
          ({ body } = await receiveMessage(socket, [start], this.#context));
          fallbackReason ??= readFallback(body, this.#context);
        }
      }
      const capacity = this.#checkCapacity(body);
      const shared = fallbackReason === undefined ? this.shared : undefined;
      shared?.region.unlink(); // the listener has done it, or died
      return {
        socket,
        capacity,
        ...shared,
        ...reason(fallbackReason),
        greeting: reply.body.greeting,
      };
    } catch (error) {
      // A message that the listener does not expect would be content to it. But if it speaks
      // another protocol, it is told.
      const isForeign = ['ERR_PROTOCOL', 'ERR_VERSION'].includes((error as ShmError).code);
      const isTold = listener === 'expects' || (listener === 'unknown' && isForeign);
      if (isTold) refuse(socket, error as Error);
      else socket.destroy();
      throw error;
    }
  }

  /** Gives back what was made. */
  discard(): void {
    const { shared } = this;
    this.shared = undefined;
    if (shared) discard(shared);
  }

  #hello() {
    const { capacity, greeting, sharedMemory = true } = this.#options;
    const fallback = sharedMemory ? undefined : unwanted;
    return { content: this.#kind.name, capacity, greeting, fallback };
  }

  #wished(): number {
    return this.#options.capacity ?? this.#kind.defaultCapacity;
  }

  /** Makes what the listener will want, if its options are the usual ones. */
  #make(socket?: Socket): void {
    const { directory, sharedMemory = true } = this.#options;
    // Only a listener that has set as much itself agrees to more than that: it will ask.
    if (!sharedMemory || (!this.early && this.#wished() > mostAsked)) return;
    this.#failure = whyNot(() => {
      if (socket && !isLocal(socket)) throw new Fallback(elsewhere);
      this.#home = regionDirectory(directory);
      this.shared = makeRegion(this.#kind, this.#wished(), this.#home, this.#nonce);
    });
  }

  /** Makes what the listener asks for. @returns the offer, or the reason for the socket */
  #answer(socket: Socket, ask: Body): object {
    if (this.#options.sharedMemory === false) {
      throw protocolError(this.#context, 'a start over the socket', 'a question for memory');
    }
    const capacity = this.#checkCapacity(ask);
    const isSame = this.#home === ask.directory && capacity === this.#wished();
    if (isSame && this.#failure !== undefined) return { fallback: this.#failure };
    if (isSame && this.shared) {
      return { fallback: 'ENOENT: the listener does not see the files of the dialer' };
    }
    if (this.early && this.shared) {
      return { fallback: 'the rings are in use, and the listener asks for others' };
    }
    this.discard();
    const fallback = whyNot(() => {
      if (!isLocal(socket)) throw new Fallback(elsewhere);
      const home = this.#options.directory ?? checkDirectory(ask.directory);
      this.shared = makeRegion(this.#kind, capacity, home, this.#nonce);
    });
    return this.shared ? offerOf(this.shared, capacity, this.#nonce) : { fallback };
  }

  /** Makes sure that the listener has the same memory. @returns the reason for the socket */
  #verify(start: Body): string | undefined {
    const { shared } = this;
    const nonce = readNonce(start.nonce, this.#context);
    if (!shared) throw protocolError(this.#context, 'a reason for the socket', 'none');
    const wantsAnswer = start.confirm === true;
    const fallback = whyNot(() => verify(shared, nonce, wantsAnswer));
    if (fallback === undefined || wantsAnswer) return fallback;
    // The listener uses the rings already: there is no way back.
    throw protocolError(this.#context, 'a listener that has mapped them', fallback);
  }

  /** A listener may want less than was asked for, never more. */
  #checkCapacity(body: Body): number {
    const capacity = readCapacity(body, this.#context);
    const most = this.#options.capacity ?? mostAsked;
    if (capacity <= most) return capacity;
    throw protocolError(this.#context, `a capacity of at most ${most}`, capacity);
  }
}

/**
 * The directory that a listener names: nothing is made in one that is not this user's alone.
 *
 * @throws {Fallback}
 */
function checkDirectory(path: unknown): string {
  const isPath = typeof path === 'string' && path.length <= longestDirectory;
  if (!isPath || !isAbsolute(path) || path.includes('\0')) {
    throw new Fallback('expected the absolute path of a region directory');
  }
  if (existingDirectory(path) !== undefined) return path;
  throw new Fallback(`ENOENT: the dialer does not see the listener's region directory`);
}
