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

type Sorted = TreeNode & { index: number; ordinal: number };

/**
 * The rows as a tree. The parent of a row in a branch is the last row before it in the enclosing branch. Children are
 * in the order of their branches, and in the order of execution within a branch.
 */
export function buildTree(rows: Iterable<Row>): Tree {
  const nodes = new Map<string, TreeNode>();
  const roots: Sorted[] = [];
  const lastOf = new Map<string, Sorted>();
  const parents: Sorted[] = [];
  for (const row of [...rows].sort((a, b) => a.ordinal - b.ordinal)) {
    const parent = row.branch === "" ? null : (lastOf.get(enclosing(row.branch)) ?? null);
    const node: Sorted = {
      key: row.key,
      level: (parent?.level ?? 0) + 1,
      parent,
      children: [],
      position: 0,
      index: branchIndex(row.branch) ?? 0,
      ordinal: row.ordinal,
    };
    nodes.set(row.key, node);
    lastOf.set(row.branch, node);
    if (parent === null) roots.push(node);
    else {
      if (parent.children.length === 0) parents.push(parent);
      parent.children.push(node);
    }
  }
  for (const { children } of parents) {
    (children as Sorted[]).sort((a, b) => a.index - b.index || a.ordinal - b.ordinal);
  }
  for (const siblings of [roots, ...parents.map(({ children }) => children)]) {
    siblings.forEach((node, index) => {
      node.position = index + 1;
    });
  }
  return { roots, nodes };
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
