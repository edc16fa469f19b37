// Sockets that others have left, in directories that others may use.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, closeSync, mkdirSync, openSync, readdirSync, rmSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { type Conn, dial, listen, type Listener } from '../../../src/index.js';
import { connectSocket } from '../../../src/transport/link/address.js';
import { held, scratch, skip } from '../../native/support.js';
import { rejected } from '../../support/errors.js';
import { socketPath } from '../../support/platform.js';
import { message } from '../../support/processes.js';
import { catchingUncaught } from '../../support/uncaught.js';
import { readBytes } from '../conn/conn-pairs.js';

const isRoot = process.getuid?.() === 0;
const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups'];

describe('A socket that nobody listens at', function () {
  this.timeout(30_000);
  const path = scratch();

  before(function () {
    if (process.platform === 'win32') skip(this, 'pipes go with their listener');
    chmodSync(path(''), 0o777);
  });

  /** A file of a socket whose listener was killed. */
  function leave(at: string, command: string[] = []): void {
    const code = `require('net').createServer().listen('${at}', () => process.kill(process.pid, 'SIGKILL'))`;
    const [program, ...args] = [...command, process.execPath, '-e', code];
    spawnSync(program, args);
    expect(readdirSync(path(''))).to.include('s');
  }

  afterEach(() => rmSync(path('s'), { force: true }));

  it('is replaced though another user holds a lock on its directory', async function () {
    if (!isRoot) skip(this, 'only root can run another user');
    leave(path('s'));
    const command = [...nobody, 'flock', '-s', path(''), 'sh', '-c', 'echo held; exec sleep 60'];
    const holder = spawn('setpriv', command, { stdio: ['ignore', 'pipe', 'ignore'] });
    try {
      const [held] = (await Promise.race([
        once(holder.stdout, 'data'),
        once(holder, 'exit').then(() => []),
      ])) as [Buffer?];
      if (!held) skip(this, 'there is no flock or setpriv');
      await (await listen(path('s'))).close();
    } finally {
      holder.kill('SIGKILL');
    }
  });

  it('is replaced by one of many that try at once', async () => {
    leave(path('s'));
    const tries = await Promise.allSettled([1, 2, 3, 4, 5].map(() => listen(path('s'))));
    const listeners = tries.flatMap(one => (one.status === 'fulfilled' ? [one.value] : []));
    const codes = tries.flatMap(one =>
      one.status === 'rejected' ? [(one.reason as NodeJS.ErrnoException).code] : [],
    );
    expect(listeners).to.have.length(1);
    expect(codes).to.deep.equal(Array(4).fill('EADDRINUSE'));
    const conn = await dial(path('s'));
    conn.destroy();
    for (const conn of listeners[0]!.connections) conn.destroy();
    await listeners[0]!.close();
  });

  it("is another user's in a sticky directory: an error that says so", function () {
    // Root may remove it: the owner of the folder and of the process must be a third one.
    if (!isRoot) skip(this, 'only root can leave one of another user');
    leave(path('s'));
    chownSync(path('s'), 12345, 12345);
    chmodSync(path(''), 0o1777);
    const code = `import('${new URL('../../../src/index.js', import.meta.url).href}')
      .then(({ listen }) => listen('${path('s')}'))
      .then(() => console.log('listens'), error => console.log(error.name, error.code, error.message))`;
    const home = path('home');
    mkdirSync(home, { mode: 0o700 });
    chownSync(home, 65534, 65534);
    chownSync(path(''), 12345, 12345);
    chmodSync(path('s'), 0o777); // so that it can be connected to, and turns out deserted
    const env = { ...process.env, MMAP_TRANSPORT_DIR: home };
    const { stdout } = spawnSync('setpriv', [...nobody, process.execPath, '-e', code], { env });
    chownSync(path(''), 0, 0);
    if (String(stdout) === '') skip(this, 'another user cannot read this folder');
    expect(String(stdout)).to.match(/^ShmError (EPERM|EACCES) .*listen '/);
  });
});

describe('Without descriptors', function () {
  this.timeout(30_000);
  let listener: Listener<Conn> | undefined;

  afterEach(async () => {
    for (const conn of listener?.connections ?? []) conn.destroy();
    await listener?.close();
  });

  it('dialling and accepting fail by a ShmError, and work again afterwards', async function () {
    if (process.platform !== 'linux') skip(this, 'descriptors are counted in /proc');
    const limit = spawnSync('sh', ['-c', 'ulimit -n']).stdout.toString().trim();
    if (!(Number(limit) <= 65_536)) skip(this, 'this process may open too many files to run out');
    const address = socketPath('few.sock');
    listener = await listen(address, conn => {
      conn.on('error', () => {});
      conn.pipe(conn);
    });
    const errors: Error[] = [];
    listener.on('clientError', error => errors.push(error));
    const works = async () => {
      const conn = await dial(address);
      conn.end('still there');
      expect(String(await readBytes(conn, 11))).to.equal('still there');
      await once(conn.resume(), 'close');
    };
    await works();
    const before = held().descriptors;
    for (const spare of [0, 1, 2, 3, 5, 8]) {
      const taken: number[] = [];
      try {
        for (;;) taken.push(openSync('/dev/null', 'r'));
      } catch {
        // That was the last one.
      }
      for (let i = 0; i < spare; i++) closeSync(taken.pop()!);
      const dialed = dial(address, { timeout: 5000 });
      const error = await dialed.then(
        conn => void conn.destroy(),
        (cause: unknown) => cause as NodeJS.ErrnoException,
      );
      for (const fd of taken) closeSync(fd);
      if (error) expect(error).to.include({ name: 'ShmError' });
      await works();
    }
    for (const error of errors) expect(error.name).to.equal('ShmError');
    while (listener.connections.size > 0) await new Promise(resolve => setTimeout(resolve, 5));
    expect(held().descriptors).to.be.at.most(before);
    expect((await rejected(dial(socketPath('nobody')))).code).to.equal('ENOENT');
  });
});

describe('A socket that is being connected', () => {
  const path = scratch();

  /** Takes each connection and closes it at once. */
  const closer = `
    const { workerData: { at, words }, parentPort } = require('node:worker_threads');
    require('node:net').createServer(socket => {
      socket.destroy();
      Atomics.store(words, 0, 1);
      Atomics.notify(words, 0);
    }).listen(at, () => parentPort.postMessage('listens'));
  `;

  it('throws nothing into the loop if its peer goes just then', async function () {
    if (process.platform === 'win32') skip(this, 'there the hello waits in the pipe');
    const at = path('s');
    const words = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker(closer, { eval: true, workerData: { at, words } });
    await message(worker);
    const { signal } = new AbortController();
    // The kernel has connected it, and Node is going to say so. The hello fails at once, and again
    // from Node's queue, in which it waits for 'connect'.
    const hello = () => {
      Atomics.wait(words, 0, 0);
      return Buffer.from('hello');
    };
    const context = { operation: 'dial', address: at, signal };
    const uncaught = await catchingUncaught(async () => {
      const socket = await connectSocket(at, context, { early: true, hello });
      if (!socket.closed) await once(socket, 'close');
    });
    expect(uncaught).to.deep.equal([]);
    await worker.terminate();
  });
});
