import { useEffect, useRef } from "react";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { TextSkeleton } from "@/ui/feedback/Skeletons";
import { visible } from "@/ui/text/visible";
import { rowKey } from "../model/rows";
import { useAnswer } from "../useRun";
import classes from "./Inspector.module.css";
import { attemptsOf, type TabProps } from "./kinds";
import { Note } from "./parts";
import { strings } from "./strings";
import { field, useLastOperation } from "./useOperation";
import { ValueView } from "./ValueView";

/** The answer of a model: the text while it arrives, then the output, or the text of an earlier attempt. */
export function Answer({ detail, attempt, isRunning }: TabProps) {
  const isLast = attempt === undefined || attempt === attemptsOf(detail).at(-1);
  if (isRunning && isLast) return <StreamedAnswer stepKey={rowKey(detail)} />;
  if (isLast && detail.output !== null) {
    return <ValueView value={detail.output} label={strings.tabs.answer} />;
  }
  return <RecordedAnswer detail={detail} attempt={attempt} />;
}

/** Plain text, because to parse Markdown for each piece is slow and flickers. */
function StreamedAnswer({ stepKey }: { stepKey: string }) {
  const answer = useAnswer(stepKey);
  const element = useRef<HTMLPreElement>(null);
  const isAtEnd = useRef(true);
  const text = answer?.text ?? "";
  useEffect(() => {
    if (isAtEnd.current && element.current !== null && text !== "") {
      element.current.scrollTop = element.current.scrollHeight;
    }
  }, [text]);
  const onScroll = () => {
    const { scrollHeight = 0, scrollTop = 0, clientHeight = 0 } = element.current ?? {};
    isAtEnd.current = scrollHeight - scrollTop - clientHeight < 24;
  };
  return (
    <>
      {answer?.isPartial && <Note>{strings.partial}</Note>}
      {text === "" ? (
        <Note>{strings.waitingForText}</Note>
      ) : (
        <section aria-label={strings.tabs.answer} aria-busy>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it */}
          <pre ref={element} className={classes.stream} onScroll={onScroll} tabIndex={0} dir="auto">
            {visible(text)}
          </pre>
        </section>
      )}
    </>
  );
}

function RecordedAnswer(props: Pick<TabProps, "detail" | "attempt">) {
  const { hasCall, operation, error } = useLastOperation(props);
  if (error) return <ErrorState error={error} title={strings.notLoaded} />;
  if (!hasCall) return <Note>{strings.noCall}</Note>;
  if (operation === undefined) return <TextSkeleton />;
  const text = field(operation.response, "text") ?? operation.response;
  if (text === null) return <Note>{strings.noOutput}</Note>;
  return <ValueView value={text} label={strings.tabs.answer} />;
}
