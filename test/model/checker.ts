/** One atomic action of one process, and the state after it. */
export interface Step<S> {
  readonly name: string;
  readonly next: S;
  /** It may happen, but nothing may depend on it: a death. */
  readonly optional?: boolean;
}

/** A system of processes as data: what may happen next, and what must hold. */
export interface Model<S> {
  readonly initial: S;
  /** Every step that any process may take now. */
  steps(state: S): Step<S>[];
  /** The same text for the same state. */
  key(state: S): string;
  /** What is wrong with this state; undefined if nothing is. */
  fault(state: S): string | undefined;
  /** Whether everything is over, as it should be. */
  isFinal(state: S): boolean;
}

export interface Outcome {
  /** Different states reached. */
  readonly states: number;
  /** Steps between them. */
  readonly steps: number;
  readonly finals: number;
  /** Absent where every state is right and can lead to a final one. */
  readonly violation?: { readonly what: string; readonly trace: readonly string[] };
}

/**
 * Explores every interleaving, breadth first, so that the trace to a fault is a shortest
 * one. Then looks for states from which no final state can be reached: a deadlock is one
 * that has no step at all, a livelock one that has.
 */
export function explore<S>(model: Model<S>, maxStates = 2e6): Outcome {
  const states: S[] = [model.initial];
  const reachedBy: { from: number; name: string }[] = [{ from: -1, name: 'start' }];
  const predecessors: number[][] = [[]];
  const known = new Map([[model.key(model.initial), 0]]);
  const finals: number[] = [];
  let steps = 0;

  const trace = (at: number) => {
    const names: string[] = [];
    for (let i = at; i > 0; i = reachedBy[i]!.from) names.unshift(reachedBy[i]!.name);
    return names;
  };
  const result = (violation?: { what: string; trace: string[] }): Outcome => {
    const counts = { states: states.length, steps, finals: finals.length };
    return violation ? { ...counts, violation } : counts;
  };

  for (let at = 0; at < states.length; at++) {
    const state = states[at]!;
    const what = model.fault(state);
    if (what !== undefined) return result({ what, trace: trace(at) });
    if (model.isFinal(state)) finals.push(at);
    for (const { name, next, optional } of model.steps(state)) {
      steps++;
      const key = model.key(next);
      let to = known.get(key);
      if (to === undefined) {
        to = states.length;
        if (to === maxStates) throw new Error(`more than ${maxStates} states`);
        known.set(key, to);
        states.push(next);
        reachedBy.push({ from: at, name });
        predecessors.push([]);
      }
      if (!optional) predecessors[to]!.push(at);
    }
  }

  const stuck = firstWithoutWayTo(finals, predecessors);
  if (stuck < 0) return result();
  const kind = model.steps(states[stuck]!).length === 0 ? 'deadlock' : 'no way to an end';
  return result({ what: `${kind}: ${model.key(states[stuck]!)}`, trace: trace(stuck) });
}

function firstWithoutWayTo(targets: readonly number[], predecessors: number[][]): number {
  const leads = new Uint8Array(predecessors.length);
  const open = [...targets];
  for (const target of targets) leads[target] = 1;
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for (const from of predecessors[at]!) {
      if (leads[from]) continue;
      leads[from] = 1;
      open.push(from);
    }
  }
  // States stand in the order of their distance from the start.
  return leads.indexOf(0);
}
