import { Handle, type Node, type NodeProps, Position } from "@xyflow/react";
import { useEffect, useRef } from "react";
import { StatusIcon, statusLabel } from "@/ui/StatusBadge";
import classes from "./Graph.module.css";
import { type StepState, useShared } from "./graphContext";
import { iconOf } from "./icons";
import { MAX_ROWS } from "./model/shapes";
import type { Step } from "./model/steps";
import { strings } from "./strings";

export type BoxNode = Node<{ key: string }>;

/** Lines have places of their own. The handles only connect them to their boxes. */
function Ends() {
  return (
    <>
      <Handle type="target" position={Position.Top} className={classes.handle} />
      <Handle type="source" position={Position.Bottom} className={classes.handle} />
    </>
  );
}

/** A step. That of a `parallel` is a frame around its branches. */
export function StepBox({ data: { key } }: NodeProps<BoxNode>) {
  const { steps, current, tabStop, stateOf, onOpen, takeFocus } = useShared();
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (takeFocus(key)) button.current?.focus({ preventScroll: true });
  });
  const step = steps.get(key);
  if (step === undefined) return null;
  const state = stateOf?.(step) ?? null;
  const canOpen = state?.canOpen ?? true;
  const status = state === null ? null : statusText(state);
  return (
    <div
      className={classes.step}
      data-parent={step.branches.length > 0}
      data-items={step.forEach !== null}
      data-current={key === current}
      data-status={state?.status ?? undefined}
    >
      <Ends />
      <button
        ref={button}
        type="button"
        data-step={key}
        className={classes.head}
        tabIndex={key === tabStop ? 0 : -1}
        aria-current={key === current ? "step" : undefined}
        aria-disabled={!canOpen}
        onClick={() => canOpen && onOpen(key)}
      >
        <StepHead step={step} />
        {state !== null && (
          <span className={classes.row}>
            <StatusIcon status={state.status ?? "pending"} />
            <span className={classes.status}>{status}</span>
            {state.detail !== null && <span className={classes.detail}>{state.detail}</span>}
          </span>
        )}
        <StepRows step={step} />
      </button>
    </div>
  );
}

function statusText({ status }: StepState): string {
  return status === null ? strings.notStarted : statusLabel(status);
}

function StepHead({ step }: { step: Step }) {
  const Icon = iconOf(step.type);
  const id = step.id === step.name ? null : step.id;
  const facts = [id, step.type, step.model].filter((each) => each !== null).join(" · ");
  return (
    <>
      <span className={classes.title}>
        <Icon size={16} className={classes.icon} aria-hidden />
        <span className={classes.name} title={step.name} dir="auto">
          {step.name}
        </span>
      </span>
      <span className={classes.facts} title={facts}>
        {facts}
        {step.branches.length > 0 &&
          ` · ${step.forEach === null ? strings.branches(step.branches.length) : strings.items}`}
      </span>
    </>
  );
}

/** What decides whether, how often and where to the run continues. */
function StepRows({ step }: { step: Step }) {
  const hidden = step.jumps.length - MAX_ROWS;
  return (
    <>
      {step.condition !== null && <Row tag={strings.only} text={step.condition} />}
      {step.forEach !== null && <Row tag={strings.forEach} text={step.forEach} />}
      {step.jumps.slice(0, MAX_ROWS).map((jump) => (
        <Row key={`${jump.tag} ${jump.goto}`} tag={jump.tag} text={jump.when} target={jump.goto} />
      ))}
      {hidden > 0 && <Row tag="…" text={strings.moreJumps(hidden)} />}
    </>
  );
}

function Row({ tag, text, target }: { tag: string; text: string; target?: string }) {
  return (
    <span className={classes.row} title={titleOf(tag, text, target)}>
      <span className={classes.tag}>{tag}</span>
      {text !== "" && <code className={classes.when}>{text}</code>}
      {target !== undefined && (
        <span className={classes.target}>
          <span aria-hidden>→ </span>
          <span className="visually-hidden">{strings.goesTo}</span>
          {target}
        </span>
      )}
    </span>
  );
}

function titleOf(tag: string, text: string, target: string | undefined): string {
  return [tag, text, target === undefined ? "" : `→ ${target}`].filter(Boolean).join(" ");
}

/** A sequence of steps in a `parallel`. */
export function BranchBox({ data: { key } }: NodeProps<BoxNode>) {
  const title = useShared().titles.get(key);
  return (
    <div className={classes.branch}>
      {title !== undefined && <span className={classes.branchTitle}>{strings.branch(title)}</span>}
    </div>
  );
}

/** Where a sequence ends early. */
export function EndBox() {
  return (
    <div className={classes.end}>
      <Ends />
      {strings.end}
    </div>
  );
}
