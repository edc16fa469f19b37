import cluster from 'node:cluster';
import { expect } from 'chai';
import { outcome, sibling, startAlone } from '../../support/processes.js';

const script = sibling(import.meta.url, './cluster-app.js');

describe('clusterBus', function () {
  this.timeout(60_000);

  /** What the primary saw; it has to end by itself. */
  async function run(plan: string, ...rest: string[]): Promise<Record<string, unknown>> {
    const { code, signal, stdout, stderr } = await outcome(startAlone(script, [plan, ...rest]));
    expect(stderr).to.equal('');
    expect([code, signal]).to.deep.equal([0, null]);
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  const policies = { 'round robin': cluster.SCHED_RR, 'none of its own': cluster.SCHED_NONE };
  for (const [name, policy] of Object.entries(policies)) {
    it(`joins workers forked before and after, scheduling: ${name}; disconnect leaves`, async () => {
      expect(await run('mix', String(policy))).to.deep.equal({
        isSame: true,
        answers: [
          { id: '1', worker: 1 },
          { id: '2', worker: 2 },
          { id: '3', worker: 3 },
        ],
        relayed: { id: '2', worker: 2 },
        left: [
          ['1', 'closed'],
          ['2', 'closed'],
          ['3', 'closed'],
        ],
      });
    });
  }

  it('gives every restarted worker a new id', async () => {
    const left = ['1 died', '2 died', '3 died', '4 died', '5 died'];
    expect(await run('restarts')).to.deep.equal({ left });
  });

  it('is not troubled by workers that crash at their start', async () => {
    expect(await run('crashes')).to.deep.equal({ answer: { id: '1', worker: 1 } });
  });

  it('leaves where the worker is disconnected while it joins, and joins again after a close', async () => {
    expect(await run('leavers')).to.deep.equal({
      told: 'left',
      again: [false, false, ['0']],
      left: ['1 closed', '2 closed', '2 closed'],
    });
  });

  it('keeps two clusters of one program apart', async () => {
    const [one, other] = await Promise.all([run('workersOnly'), run('workersOnly')]);
    expect(one.answers).to.have.deep.members([
      ['2', '3'],
      ['1', '3'],
      ['1', '2'],
    ]);
    expect(other).to.deep.equal(one);
  });

  it('joins the workers where the primary is not on the bus', async () => {
    const answers = [
      ['2', '3'],
      ['1', '3'],
      ['1', '2'],
    ];
    expect(await run('workersOnly')).to.deep.equal({ answers });
  });
});
