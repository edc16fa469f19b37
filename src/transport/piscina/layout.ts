/*
 * The arena's file, offsets in bytes:
 *
 *   0                 header, one page, written once by the maker
 *   4096              part 0: its tickets, then its payloads and results
 *   4096 + 1 × part   part 1
 *   …
 *
 * A part belongs to one PayloadArena object of one process, which holds the part's lock:
 * the byte lock at `lockOf(part)`, which the kernel drops when the process dies. Only the
 * owner allocates there, and its books are private memory. Its threads write into blocks
 * that a task brought them, and into the words of that task's ticket.
 *
 * A ticket is 32 bytes that go with a task, of which the first word is used. It is the
 * task's state, see `sent` and `taken`: the owner stores `sent`, with a number that no earlier
 * use of the ticket had. The thread that runs the task replaces exactly that by `taken`, with
 * its threadId, and stores `done` at its end. The owner may replace `sent` by `cancelled`, and
 * then no thread takes it any more.
 *
 * Tickets are never used for anything else: a thread that comes too late, after its task was
 * cancelled, finds another state there, not somebody's payload.
 */
import { firstLock } from '../ring/memory.js';

export const headerBytes = 4096;

/** 32-bit words of the header. The magic is stored last. */
export const Header = {
  magic: 0,
  version: 1,
  parts: 2,
  partPages: 3,
  tickets: 4,
  debug: 5,
} as const;

export const Stamp = { magic: 0x4d545041, version: 1 } as const;

export const pageBytes = 4096;

/** More parts than processes that anybody runs. */
export const maxParts = 1024;

export const lockOf = (part: number) => firstLock + part;

export const ticketBytes = 32;

/** Tickets for a part with so many bytes for payloads; a multiple of 128, which is a page. */
export function ticketsFor(bytes: number): number {
  const perPage = pageBytes / ticketBytes;
  return Math.min(512, Math.max(1, Math.ceil(bytes / (1 << 18)))) * perPage;
}

/** A state's kind lies in its low two bits. */
const kindBits = 2;
const Kind = { cancelled: 0, sent: 1, taken: 2, done: 3 } as const;

export const cancelled = Kind.cancelled;
export const done = Kind.done;
export const sent = (use: number) => (use << kindBits) | Kind.sent;
export const taken = (threadId: number) => (threadId << kindBits) | Kind.taken;

export const isSent = (state: number) => (state & 3) === Kind.sent;
export const isTaken = (state: number) => (state & 3) === Kind.taken;
export const threadOf = (state: number) => state >>> kindBits;
