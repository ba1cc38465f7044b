import { ErrorState } from "@/ui/feedback/ErrorState";
import { TextSkeleton } from "@/ui/feedback/Skeletons";
import { JsonTree } from "@/ui/text/JsonTree";
import { TextViewer } from "@/ui/text/TextViewer";
import type { TabProps } from "./kinds";
import { Facts, Note, Section } from "./parts";
import { strings } from "./strings";
import { field, useLastOperation } from "./useOperation";

export function HttpRequest(props: TabProps) {
  const { hasCall, operation, error } = useLastOperation(props);
  if (error) return <ErrorState error={error} title={strings.notLoaded} />;
  if (!hasCall) return <Note>{strings.noCall}</Note>;
  if (operation === undefined) return <TextSkeleton />;
  if (operation.request === null) return <Note>{strings.noRequest}</Note>;
  const url = `${field(operation.request, "method")} ${field(operation.request, "url")}`;
  return (
    <>
      <Facts
        facts={[
          [
            strings.http.url,
            <code key="url" className="mono">
              {url}
            </code>,
          ],
        ]}
      />
      <Headers value={field(operation.request, "headers")} />
      <Body value={field(operation.request, "body")} />
    </>
  );
}

export function HttpResponse(props: TabProps) {
  const { hasCall, operation, error } = useLastOperation(props);
  if (error) return <ErrorState error={error} title={strings.notLoaded} />;
  if (!hasCall) return <Note>{strings.noCall}</Note>;
  if (operation === undefined) return <TextSkeleton />;
  const status = field(operation.response, "status");
  if (status === undefined) return <Note>{strings.noResponse}</Note>;
  return (
    <>
      <Facts facts={[[strings.http.status, String(status)]]} />
      {field(operation.response, "is_cut") === true && <Note>{strings.http.cut}</Note>}
      <Body value={field(operation.response, "body")} />
      <Headers value={field(operation.response, "headers")} />
    </>
  );
}

function Headers({ value }: { value: unknown }) {
  if (typeof value !== "object" || value === null) return null;
  return (
    <Section title={strings.http.headers}>
      <Facts
        facts={Object.entries(value).map(([name, text]) => [
          name,
          <code key={name} className="mono">
            {String(text)}
          </code>,
        ])}
      />
    </Section>
  );
}

function Body({ value }: { value: unknown }) {
  if (value === null || value === undefined) return null;
  const binary = typeof value === "object" ? (value as { base64?: unknown }).base64 : undefined;
  const text = typeof value === "string" ? value : typeof binary === "string" ? binary : null;
  return (
    <Section title={strings.http.body}>
      {binary !== undefined && <Note>{strings.http.binary}</Note>}
      {text === null ? (
        <JsonTree value={value} label={strings.http.body} />
      ) : (
        <TextBody text={text} />
      )}
    </Section>
  );
}

/** JSON as a tree, other text as it is. Large texts are not parsed. */
function TextBody({ text }: { text: string }) {
  const json = text.length < 1_000_000 && /^\s*[[{]/.test(text) ? parsed(text) : undefined;
  if (json !== undefined) return <JsonTree value={json} label={strings.http.body} />;
  return <TextViewer text={text} label={strings.http.body} />;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
