import type { Dispatch, KeyboardEvent, SetStateAction } from "react";
import { useKeys } from "@/ui/keys/useKeys";
import { type Expansion, firstFailure, isExpanded, type TreeNode, withChoice } from "../model/tree";
import { strings } from "../strings";
import { useStore } from "../useRun";

type Options = {
  nodes: readonly TreeNode[];
  selected: number;
  expansion: Expansion;
  setExpansion: Dispatch<SetStateAction<Expansion>>;
  onSelect: (key: string) => void;
  onSelectRun: () => void;
};

/** Keys of the whole page, and those of the focused tree, which the function handles. */
export function useTreeKeys(options: Options) {
  const { nodes, selected, expansion, setExpansion, onSelect, onSelectRun } = options;
  const store = useStore();
  /** The run is above its first step. */
  const to = (index: number) => {
    const node = nodes[Math.min(index, nodes.length - 1)];
    if (index < 0) onSelectRun();
    else if (node !== undefined) onSelect(node.key);
  };
  const texts = strings.keys;
  useKeys(texts.title, [
    { key: "j", label: texts.next, run: () => to(selected + 1) },
    { key: "k", label: texts.previous, run: () => to(selected - 1) },
    { key: "e", label: texts.expand, run: () => setExpansion({ all: true, chosen: new Map() }) },
    { key: "w", label: texts.collapse, run: () => setExpansion({ all: false, chosen: new Map() }) },
    {
      key: "f",
      label: texts.failure,
      run: () => {
        const failure = firstFailure(store.tree, (key) => store.row(key));
        if (failure !== null) onSelect(failure);
      },
    },
  ]);
  return (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const node = nodes[selected];
    const act = (change: () => void) => {
      event.preventDefault();
      change();
    };
    const open = (isOpen: boolean) => {
      if (node !== undefined) setExpansion((known) => withChoice(known, node.key, isOpen));
    };
    const isOpen = node !== undefined && isExpanded(node, expansion);
    switch (event.key) {
      case "ArrowDown":
        return act(() => to(selected + 1));
      case "ArrowUp":
        return act(() => to(selected - 1));
      case "Home":
        return act(() => to(0));
      case "End":
        return act(() => to(nodes.length - 1));
      case "ArrowRight":
        if (isOpen) return act(() => to(selected + 1));
        return act(() => open(true));
      case "ArrowLeft":
        if (isOpen) return act(() => open(false));
        return act(() => node?.parent && onSelect(node.parent.key));
    }
  };
}
