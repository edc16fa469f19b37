import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';

const keepsNames = 'Windows removes no file that is mapped, so its name goes later';
const keepsPages = 'Windows cannot give a range other pages in one step';
const noModes = 'Windows has no file modes';
const noProc = 'there is no /proc to look into';
const lastWords = 'a pipe takes nothing before the event loop turns, and that turn never comes';
const noLinks = 'Wine makes no symbolic links';

/**
 * Why a test cannot pass on Windows, or not under Wine, by the beginning of its full title.
 * Everything else of the suite runs there.
 */
export const reasons: Readonly<Record<string, string>> = {
  'openFile maps an empty file as length 0': noProc,
  'openFile makes a missing file only when asked': noModes,
  'openFile follows a symbolic link': noLinks,
  'openFile works for hard links and in directories that are gone':
    'Windows removes no directory that is in use',
  'openFile says of what is no plain file what it is a FIFO': 'Windows has no FIFOs',
  'openFile says of what is no plain file what it is a socket':
    'Windows has no sockets in its file system',
  'openFile says of what is no plain file what it is a path through a file':
    'Windows says ENOENT of a path through a file',
  'openMem is one page by default, in a private file': noModes,
  "openMem the name goes with the owner's close": keepsNames,
  'openMem process.exit(), an uncaught error and the natural end remove the name': keepsNames,
  'openMem works on when somebody else removed its file': keepsNames,
  'openMem refuses what others can reach': noModes,
  'Ring.create and Ring.open is gone with its last user': keepsNames,
  'Ring on the event loops of two a thread that is terminated while parked': 'a bell is no file',
  'Ring on the event loops of two a process that exits on a thousand parked rings':
    'a bell is no file',
  'A ring whose holder is killed between two accesses':
    'a process that kills itself does not say there by which signal',
  'Lifetime of a mapping close': keepsPages,
  'Lifetime of a mapping with threads memory that another thread took up': keepsPages,
  'Lifetime of a mapping many opens': noProc,
  'Lifetime of a mapping segments of shared memory': noProc,
  'Lifetime of a mapping with threads a thread that hands its memory over': keepsNames,
  'Lifetime of a mapping with threads closing in one thread':
    'Windows lets nobody write a mapped file anew',
  'npm run bench ': keepsNames,
  'npm start refuses an unreadable file': noModes,
  'npm start when a process is killed': noProc,
  'Examples of payloads thumbnails': 'sharp is installed for this machine, not for Windows',
  'examples ring-in-a-file': keepsNames,
  'An addon that does not load': noLinks,
  'A full file system by a limit': 'Windows has no limit on the size of files',
  'Traces tell diagnostics_channel of open, close, truncation':
    'Windows lets nobody cut a mapped file short',
  'What openFile undoes a link to nowhere': noLinks,
  'A ring kept in a file a private one is gone': keepsNames,
  'A ring whose file is cut': 'Windows lets nobody cut a mapped file short',
  'Mapped: streams fail with ERR_TRUNCATED': 'Windows lets nobody cut a mapped file short',
  'A file cut short while it is mapped': 'Windows lets nobody cut a mapped file short',
  'listen and dial a busy address': 'Wine lets two listen at one pipe',
  'listen and dial refuse a folder that is not there': 'a pipe of Windows lies in no folder',
  'listen and dial a deserted socket is replaced, a file is left alone':
    'a pipe of Windows goes with its listener and is no file',
  'A dialer says that a socket is deserted, and that a path is too long for one':
    'a pipe of Windows goes with its listener, and its name may be longer',
  'A dialer is asked to make its memory in one that others may enter, or that is none': noModes,
  'Where memory cannot be shared, connections go over the socket with another mount namespace':
    'Windows has no mount namespaces',
  "Where memory cannot be shared, connections go over the socket with another user's process":
    noModes,
  'Where memory cannot be shared, connections go over the socket with a directory that others':
    noModes,
  'Where memory cannot be shared, connections go over the socket with a full file system':
    'Windows mounts no tmpfs',
  'Where memory cannot be shared, connections go over the socket with a peer on another machine':
    'Windows has no network namespaces',
  'Owners of payloads close refuses new payloads': keepsNames,
  'Owners of payloads in debug mode a write into memory that was freed':
    'Windows has no FIFOs to hold a read back with',
  'An arena of several processes the name goes with its last user': keepsNames,
  'A doorbell leaves nothing where it could not be made': 'a bell of Windows has no descriptor',
  'A doorbell is refused by name, and nothing is touched, where it is a plain file':
    'a bell of Windows is no file',
  'What a peer of a bus has accepted arrives before its leave is seen: cold': lastWords,
  'A channel whose peer cannot be waited for, for lack of file descriptors':
    'Windows has no `ulimit`',
  'Rings in use before the handshake are delivered where their process is gone': lastWords,
  'Rings in use before the handshake wait for a listener that is busy':
    'a pipe that nobody has accepted ends with its dialer',
  'A listener that is offered a link, a FIFO': noLinks,
  'A listener that is offered hundreds of regions': noProc,
  'A listener that is offered a region that shrinks': 'Windows lets nobody cut a mapped file short',
  'A ring kept in a file a file that is too long': keepsNames,
  'The command a connection has no name any more': noProc,
  'The command regions of more than 2 GiB': 'Windows has no sparse files here',
  'The command, where something is wrong tells what is wrong, changes nothing':
    'Windows removes no file that is mapped',
  'The command top in a terminal': 'there is no `script`, which makes a terminal',
  'The command, where something is wrong one file that makes no sense':
    'Windows removes no file that is mapped',
  'The command looking keeps nothing alive': keepsNames,
  'The command, where something is wrong a directory that others may enter': noModes,
  'Bus gives a successor the id, and none of the messages': 'Windows has no SIGSTOP',
  'Bus closes though a peer does not answer': 'Windows has no SIGSTOP',
};

/** Why a test cannot run on this platform; undefined where it can. */
export function cannotRun(title: string): string | undefined {
  if (process.arch === 'arm64' && title.startsWith('openFile starts and ends at any byte')) {
    return 'Atomics need aligned words on arm64';
  }
  if (process.platform !== 'win32') return undefined;
  return Object.entries(reasons).find(([beginning]) => title.startsWith(beginning))?.[1];
}

/**
 * An address to listen at: a Unix socket, on Windows a pipe of that name.
 *
 * @param name of a file beside the regions, or its whole path
 */
export function socketPath(name: string): string {
  const path = resolve(process.env.MMAP_TRANSPORT_DIR!, name);
  if (process.platform !== 'win32') return path;
  return `\\\\.\\pipe\\${path.replaceAll(/[^\w.-]+/g, '-')}`;
}

/**
 * How many may dial at the same time. With Wine's pipes the time for that grows with the
 * square of their number.
 */
export function atOnce(count: number): number {
  return process.platform === 'win32' ? Math.min(count, 50) : count;
}

/**
 * The regions of connections that are left. Windows keeps the name of a mapped file until
 * its last view is collected: there scripts/wine.mjs looks, when the process has ended.
 */
export function leftLinks(directory = process.env.MMAP_TRANSPORT_DIR!): string[] {
  if (process.platform === 'win32') return [];
  return readdirSync(directory).filter(name => name.startsWith('link-'));
}
