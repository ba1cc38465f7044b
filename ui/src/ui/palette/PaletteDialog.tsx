import { Modal } from "@mantine/core";
import { Search } from "lucide-react";
import { Fragment, type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import type { PaletteItem } from "./matching";
import classes from "./Palette.module.css";
import { usePaletteItems } from "./usePaletteItems";

type Props = { isOpen: boolean; onClose: () => void };

/** Finds pages, pipelines, runs and actions by text. */
export default function PaletteDialog({ isOpen, onClose }: Props) {
  return (
    <Modal.Root opened={isOpen} onClose={onClose} centered={false} yOffset="12vh" size={560}>
      <Modal.Overlay backgroundOpacity={0.4} />
      <Modal.Content aria-label="Search">
        <Modal.Body p={0}>
          <PaletteContent onClose={onClose} />
        </Modal.Body>
      </Modal.Content>
    </Modal.Root>
  );
}

function PaletteContent({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState(0);
  const { items, isLoading, remember } = usePaletteItems(text);
  const listId = useId();
  const active = Math.min(chosen, items.length - 1);
  const choose = (item: PaletteItem | undefined) => {
    if (item === undefined) return;
    onClose();
    remember(item);
    item.run();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1 };
    const by = steps[event.key];
    if (by !== undefined) {
      event.preventDefault();
      setChosen((active + by + items.length) % Math.max(items.length, 1));
    } else if (event.key === "Enter" && !event.nativeEvent.isComposing) {
      event.preventDefault();
      choose(items[active]);
    }
  };
  return (
    <>
      <div className={classes.field}>
        <Search size={16} aria-hidden />
        <input
          className={classes.input}
          role="combobox"
          aria-label="Search pages, pipelines, run ids and actions"
          aria-expanded
          aria-controls={listId}
          aria-activedescendant={items.length > 0 ? `${listId}-${active}` : undefined}
          aria-autocomplete="list"
          placeholder="Page, pipeline, run id or action"
          autoComplete="off"
          spellCheck={false}
          value={text}
          data-autofocus
          onChange={(event) => {
            setText(event.currentTarget.value);
            setChosen(0);
          }}
          onKeyDown={onKeyDown}
        />
      </div>
      <div id={listId} role="listbox" aria-label="Results" className={classes.list}>
        {items.map((item, index) => (
          <Fragment key={item.id}>
            {item.group !== items[index - 1]?.group && (
              <div className={classes.group} role="presentation">
                {item.group}
              </div>
            )}
            <Option
              id={`${listId}-${index}`}
              item={item}
              isActive={index === active}
              onPoint={() => setChosen(index)}
              onChoose={() => choose(item)}
            />
          </Fragment>
        ))}
      </div>
      {items.length === 0 && (
        <p role="status" className={classes.none}>
          {isLoading ? "Searching…" : `Nothing is named “${text.trim()}”.`}
        </p>
      )}
    </>
  );
}

type OptionProps = {
  id: string;
  item: PaletteItem;
  isActive: boolean;
  onPoint: () => void;
  onChoose: () => void;
};

function Option({ id, item, isActive, onPoint, onChoose }: OptionProps) {
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (isActive) element.current?.scrollIntoView({ block: "nearest" });
  }, [isActive]);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the field has the focus and handles the keys
    <div
      ref={element}
      id={id}
      role="option"
      tabIndex={-1}
      aria-selected={isActive}
      className={classes.option}
      onMouseMove={onPoint}
      onClick={onChoose}
    >
      <span className={classes.label} dir="auto">
        {item.label}
      </span>
      {item.detail && <span className={classes.detail}>{item.detail}</span>}
    </div>
  );
}
