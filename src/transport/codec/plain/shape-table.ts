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

/** How many nodes there may be, and how many new ones the known shapes may have paid for. */
const maxNodes = 4096;

/** The budget that is needed before everything known is given up for something new. */
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
  /** By their numbers. */
  #shapes: Shape[] = [];
  #budget = maxNodes;

  /** Shapes that the message in the making defines. */
  readonly defined: Shape[] = [];
  /** Keys of its objects whose shape is not remembered. */
  readonly loose: string[][] = [];
  #message = 0;

  /** What a reader that has seen every definition knows: lists of keys by the shapes' numbers. */
  get keys(): (readonly string[])[] {
    return this.#shapes.map(({ keys }) => keys);
  }

  /** For a new message. When full, everything is forgotten, to make room for what comes now. */
  begin(): void {
    this.#message++;
    this.abandon();
    // A node per message costs little, and lets it find out when the data has changed.
    if (this.#budget < maxNodes) this.#budget++;
    if ((this.#shapes.length < maxShapes && this.#nodes < maxNodes) || this.#budget < minBudget)
      return;
    this.root = new ShapeNode();
    this.#nodes = 0;
    this.#shapes = [];
  }

  /** A new node for one more key; undefined: it is not remembered. */
  add(node: ShapeNode, key: string): ShapeNode | undefined {
    if (this.#budget <= 0 || this.#nodes >= maxNodes) return undefined;
    const added = node.add(key);
    if (added) {
      this.#budget--;
      this.#nodes++;
    }
    return added;
  }

  /** The number of the shape of objects that end at this node, which is defined if need be. */
  use(node: ShapeNode): number {
    const shape = this.#shapeAt(node);
    if (shape === undefined) return this.useLoose(node.keys());
    if (!shape.known && shape.definedIn !== this.#message) {
      shape.definedIn = this.#message;
      this.defined.push(shape);
    }
    return shape.number;
  }

  /** As {@link use}, for this message only. Rows of one kind share a definition. */
  useLoose(keys: string[]): number {
    const last = this.loose.at(-1);
    const isSame = last?.length === keys.length && keys.every((key, i) => key === last[i]);
    if (!isSame) this.loose.push(keys);
    return maxShapes + this.loose.length - 1;
  }

  get hasDefinitions(): boolean {
    return this.defined.length > 0 || this.loose.length > 0;
  }

  /** The message is on its way: what it defines is known to the peer. */
  sent(): void {
    if (this.defined.length === 0) return;
    for (const shape of this.defined) shape.known = true;
    this.defined.length = 0;
  }

  /** A message that was on its way will not arrive, and what it defined is not known. */
  unsent(): void {
    this.abandon();
    for (const shape of this.#shapes) shape.known = false;
  }

  /** There will be no such message. */
  abandon(): void {
    if (this.defined.length > 0) this.defined.length = 0;
    if (this.loose.length > 0) this.loose.length = 0;
  }

  /** Undefined: not to be remembered. */
  #shapeAt(node: ShapeNode): Shape | undefined {
    if (node.shape) {
      if (this.#budget < maxNodes) this.#budget++;
      return node.shape;
    }
    const number = this.#shapes.length;
    if (number >= maxShapes) return undefined;
    node.shape = { number, keys: node.keys(), known: false, definedIn: -1 };
    this.#shapes.push(node.shape);
    return node.shape;
  }
}
