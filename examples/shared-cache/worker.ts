// A worker of the cluster: the leader keeps the values, the others serve them from a cache.
import cluster from 'node:cluster';
import { createServer } from 'node:http';
import { type Entry, leader, type Messenger, type Request } from './messenger.js';

/** What a worker has counted. */
export interface Counts {
  hits: number;
  misses: number;
  /** Hits on a value that the leader had changed already. */
  stale: number;
  /** Milliseconds from each change to its news here. */
  delays: number[];
}

const now = () => performance.timeOrigin + performance.now();

/** Keeps the values: for an example, in a Map; it could be the one with the database. */
function lead(messenger: Messenger): void {
  const entries = new Map<string, Entry>();
  messenger.onAsk((request: Request) => {
    if ('get' in request) {
      return entries.get(request.get) ?? { key: request.get, value: '', version: 0, changed: 0 };
    }
    const { put: key, value } = request;
    const version = (entries.get(key)?.version ?? 0) + 1;
    const entry = { key, value, version, changed: now() };
    entries.set(key, entry);
    messenger.tell(entry);
    return entry;
  });
}

/** GET /key serves it, PUT /key changes it. */
function serve(messenger: Messenger, port: number): void {
  const cache = new Map<string, Entry>();
  /** Of each key, the newest version that was heard of. */
  const newest = new Map<string, number>();
  /** When each key was served from the cache since the last news of it. */
  const served = new Map<string, number[]>();
  let counts: Counts = { hits: 0, misses: 0, stale: 0, delays: [] };

  messenger.onTold(({ key, version, changed }) => {
    newest.set(key, version);
    cache.delete(key);
    counts.delays.push(now() - changed);
    counts.stale += (served.get(key) ?? []).filter(time => time > changed).length;
    served.delete(key);
  });

  async function read(key: string): Promise<Entry> {
    const cached = cache.get(key);
    if (cached) {
      counts.hits++;
      const times = served.get(key);
      if (times) times.push(now());
      else served.set(key, [now()]);
      return cached;
    }
    counts.misses++;
    const entry = await messenger.ask({ get: key });
    // News may have overtaken the answer.
    if (entry.version >= (newest.get(key) ?? 0)) cache.set(key, entry);
    return entry;
  }

  const server = createServer((request, response) => {
    const key = request.url!.slice(1);
    const answer =
      request.method === 'PUT' ? messenger.ask({ put: key, value: String(now()) }) : read(key);
    answer.then(
      entry => response.end(entry.value),
      (error: unknown) => response.writeHead(503).end((error as Error).message),
    );
  });
  server.listen(port);
  process.on('message', order => {
    if (order !== 'counts') return;
    process.send!({ counts });
    counts = { hits: 0, misses: 0, stale: 0, delays: [] };
  });
}

export function work(messenger: Messenger, port: number): void {
  if (String(cluster.worker!.id) === leader) lead(messenger);
  else serve(messenger, port);
  process.send!({ ready: true });
}
