import { maxShapeKeys, maxShapes, maxShapeUnits } from './format.js';

/** The keys of an object, in their order. */
export interface Shape {
  readonly number: number;
  readonly keys: readonly string[];
  /** The peer has its definition. */
  known: boolean;
  /** The message that last defined it. */
  definedIn: number;
}

/** Keys that objects begin with: each node is one more key. */
export class ShapeNode {
  /** The shape of the objects that end here. */
  shape: Shape | undefined;
  /** The key that came next the last time, and where it led: mostly it comes again. */
  lastKey: string | undefined;
  last: ShapeNode | undefined;
  #children: Map<string, ShapeNode> | undefined;
  readonly #units: number;
  readonly #depth: number;

  constructor(
    readonly parent?: ShapeNode,
    readonly key = '',
  ) {
    this.#depth = parent ? parent.#depth + 1 : 0;
    this.#units = parent ? parent.#units + key.length : 0;
  }

  /** The node for one more key; undefined: there is none yet. */
  follow(key: string): ShapeNode | undefined {
    const child = this.#children?.get(key);
    if (child) {
      this.lastKey = key;
      this.last = child;
    }
    return child;
  }

  /** Undefined: a shape with this key too would be too long to be remembered. */
  add(key: string): ShapeNode | undefined {
    const child = new ShapeNode(this, key);
    if (child.#depth > maxShapeKeys || child.#units > maxShapeUnits) return undefined;
    (this.#children ??= new Map<string, ShapeNode>()).set(key, child);
    return child;
  }

  /** All keys from the start to this node. */
  keys(): string[] {
    const keys: string[] = [];
    for (let node: ShapeNode = this; node.parent; node = node.parent) keys.push(node.key); // eslint-disable-line @typescript-eslint/no-this-alias
    return keys.reverse();
  }
}

/** Nodes there may be, and new ones that the known shapes pay for. */
const maxNodes = 4096;

/** What must be there before all that is known is given up for something new. */
const minBudget = 1024;

/**
 * The shapes that an encoder has seen.
 *
 * Remembering a shape costs more than its first use saves. So each node is paid for out of a
 * budget, which objects of known shapes fill up again: data that is all different keys, such
 * as objects used as dictionaries, soon comes through without being remembered.
 */
export class ShapeTable {
  root = new ShapeNode();
  #nodes = 0;
  #shapes = 0;
  #budget = maxNodes;

  /** Between messages: forgets everything when full, to make room for what comes now. */
  tidy(): void {
    // A node per message is no burden, and lets it find out when the data has changed.
    if (this.#budget < maxNodes) this.#budget++;
    if ((this.#shapes < maxShapes && this.#nodes < maxNodes) || this.#budget < minBudget) return;
    this.root = new ShapeNode();
    this.#nodes = 0;
    this.#shapes = 0;
  }

  /** The node for one more key, a new one if need be; undefined: not to be remembered. */
  follow(node: ShapeNode, key: string): ShapeNode | undefined {
    const next = node.follow(key);
    if (next || this.#budget <= 0 || this.#nodes >= maxNodes || key === '__proto__') return next;
    const added = node.add(key);
    if (added) {
      this.#budget--;
      this.#nodes++;
    }
    return added;
  }

  /** The shape of objects that end at this node; undefined: not to be remembered. */
  shapeAt(node: ShapeNode): Shape | undefined {
    if (node.shape) {
      if (this.#budget < maxNodes) this.#budget++;
      return node.shape;
    }
    if (this.#shapes >= maxShapes) return undefined;
    node.shape = { number: this.#shapes++, keys: node.keys(), known: false, definedIn: -1 };
    return node.shape;
  }
}
