import { branchIndex, enclosing, hasEnded, type Row } from "./rows";

/** The place of a row in the tree. Rows can change while their nodes remain. */
export type TreeNode = {
  readonly key: string;
  readonly level: number;
  readonly parent: TreeNode | null;
  readonly children: TreeNode[];
  position: number;
};

export type Tree = {
  readonly roots: readonly TreeNode[];
  readonly nodes: ReadonlyMap<string, TreeNode>;
};

type Sorted = TreeNode & { readonly index: number; readonly ordinal: number };

/**
 * Builds the tree of rows that it gets in the order of execution. The parent of a row in a branch is the last row
 * before it in the enclosing branch. Children are in the order of their branches, and in that of execution within one.
 */
export class TreeBuilder {
  readonly #nodes = new Map<string, TreeNode>();
  readonly #roots: Sorted[] = [];
  readonly #lastOf = new Map<string, Sorted>();
  #lastOrdinal = Number.NEGATIVE_INFINITY;

  /** Whether a row comes after all rows of the tree, so that `add` can take it. */
  canAdd(row: Row): boolean {
    return row.ordinal > this.#lastOrdinal;
  }

  add(row: Row): void {
    const parent = row.branch === "" ? null : (this.#lastOf.get(enclosing(row.branch)) ?? null);
    const node: Sorted = {
      key: row.key,
      level: (parent?.level ?? 0) + 1,
      parent,
      children: [],
      position: 0,
      index: branchIndex(row.branch) ?? 0,
      ordinal: row.ordinal,
    };
    this.#lastOrdinal = row.ordinal;
    this.#nodes.set(row.key, node);
    this.#lastOf.set(row.branch, node);
    insert(parent === null ? this.#roots : (parent.children as Sorted[]), node);
  }

  /** The tree as it is now. Later rows are added to the same nodes. */
  snapshot(): Tree {
    return { roots: this.#roots, nodes: this.#nodes };
  }
}

/** Almost all rows belong to the end, because branches start in their order. */
function insert(siblings: Sorted[], node: Sorted): void {
  let at = siblings.length;
  while (at > 0 && (siblings[at - 1]?.index ?? 0) > node.index) at -= 1;
  siblings.splice(at, 0, node);
  for (; at < siblings.length; at += 1) (siblings[at] as Sorted).position = at + 1;
}

export function builderOf(rows: Iterable<Row>): TreeBuilder {
  const builder = new TreeBuilder();
  for (const row of [...rows].sort((a, b) => a.ordinal - b.ordinal)) builder.add(row);
  return builder;
}

/** A `parallel` with more rows inside is one row with counts, until a person opens it. */
const OPEN_UP_TO = 20;

/** What a person has opened and closed. All other rows are open if they contain few rows. */
export type Expansion = {
  readonly all: boolean | null;
  readonly chosen: ReadonlyMap<string, boolean>;
};

export const UNCHANGED: Expansion = { all: null, chosen: new Map() };

export function isExpanded(node: TreeNode, { all, chosen }: Expansion): boolean {
  if (node.children.length === 0) return false;
  return chosen.get(node.key) ?? all ?? node.children.length <= OPEN_UP_TO;
}

export function withChoice(expansion: Expansion, key: string, isOpen: boolean): Expansion {
  return { ...expansion, chosen: new Map(expansion.chosen).set(key, isOpen) };
}

/** The expansion in which a row is visible. The same object if it is visible already. */
export function revealed(expansion: Expansion, node: TreeNode | undefined): Expansion {
  let result = expansion;
  for (let each = node?.parent ?? null; each !== null; each = each.parent) {
    if (!isExpanded(each, result)) result = withChoice(result, each.key, true);
  }
  return result;
}

/** The rows that are not inside a closed row, from top to bottom. */
export function visibleNodes(tree: Tree, expansion: Expansion): TreeNode[] {
  const visible: TreeNode[] = [];
  const visit = (nodes: readonly TreeNode[]) => {
    for (const node of nodes) {
      visible.push(node);
      if (isExpanded(node, expansion)) visit(node.children);
    }
  };
  visit(tree.roots);
  return visible;
}

/** All rows in the order of the tree, also those inside closed rows. */
function* everyNode(nodes: readonly TreeNode[]): Generator<TreeNode> {
  for (const node of nodes) {
    yield node;
    yield* everyNode(node.children);
  }
}

/** The step that caused the first failure: the deepest failed row, because what contains it fails with it. */
export function firstFailure(tree: Tree, rowOf: (key: string) => Row | undefined): string | null {
  let first: Row | null = null;
  for (const node of everyNode(tree.roots)) {
    const row = rowOf(node.key);
    if (row?.status !== "failed") continue;
    if (node.children.some(({ key }) => rowOf(key)?.status === "failed")) continue;
    if (first === null || (row.completed_at ?? "") < (first.completed_at ?? "")) first = row;
  }
  return first?.key ?? null;
}

export type Counts = { total: number; ended: number; failed: number; running: number };

/** The rows directly inside a row, by status. */
export function countInside(node: TreeNode, rowOf: (key: string) => Row | undefined): Counts {
  const counts = { total: node.children.length, ended: 0, failed: 0, running: 0 };
  for (const { key } of node.children) {
    const row = rowOf(key);
    if (row === undefined) continue;
    if (hasEnded(row)) counts.ended += 1;
    if (row.status === "failed") counts.failed += 1;
    if (row.status === "running") counts.running += 1;
  }
  return counts;
}
