import { useQuery } from "@tanstack/react-query";
import { type Operation, operationQuery, type StepDetail } from "@/api/run";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { TextSkeleton } from "@/ui/feedback/Skeletons";
import { JsonTree } from "@/ui/text/JsonTree";
import { Answer } from "./Answer";
import { Attempts } from "./Attempts";
import { CodeInput, PrintedLines } from "./CodeTabs";
import { HttpRequest, HttpResponse } from "./HttpTabs";
import { operationsOf, type Tab, type TabProps } from "./kinds";
import { Logs } from "./Logs";
import { Prompt } from "./Prompt";
import { Note } from "./parts";
import { Review } from "./Review";
import { strings } from "./strings";
import { Usage } from "./Usage";
import { ValueView } from "./ValueView";

export function TabContent({ tab, ...props }: TabProps & { tab: Tab }) {
  const { detail, attempt, isRunning, run } = props;
  const operations = operationsOf(detail, attempt);
  switch (tab) {
    case "answer":
      return <Answer {...props} />;
    case "prompt":
      return <Prompt {...props} />;
    case "usage":
    case "timing":
      return <Usage detail={detail} operations={operations} />;
    case "request":
      return <HttpRequest {...props} />;
    case "response":
      return <HttpResponse {...props} />;
    case "review":
      return <Review run={run} detail={detail} />;
    case "input":
      return <CodeInput {...props} />;
    case "printed":
      return <PrintedLines detail={detail} run={run} />;
    case "output":
      return <Output value={detail.output} isRunning={isRunning} />;
    case "attempts":
      return <Attempts detail={detail} />;
    case "logs":
      return <Logs run={run} detail={detail} />;
    case "raw":
      return <Raw detail={detail} operations={operations} />;
  }
}

function Output({ value, isRunning }: { value: unknown; isRunning: boolean }) {
  if (value === null) return <Note>{isRunning ? strings.noOutputYet : strings.noOutput}</Note>;
  return <ValueView value={value} label={strings.tabs.output} />;
}

function Raw({ detail, operations }: { detail: StepDetail; operations: Operation[] }) {
  const { operations: _all, ...step } = detail;
  return (
    <>
      <JsonTree value={step} label={strings.tabs.raw} />
      {operations.map((operation) => (
        <RawOperation key={operation.id} operation={operation} />
      ))}
    </>
  );
}

function RawOperation({ operation }: { operation: Operation }) {
  const { data, error } = useQuery(operationQuery(operation));
  if (error) return <ErrorState error={error} />;
  if (data === undefined) return <TextSkeleton />;
  return <JsonTree value={data} label={`${operation.kind} ${operation.number}`} />;
}
