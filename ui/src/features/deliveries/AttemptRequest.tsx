import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { attemptRequestQuery, type AttemptRequest as Request } from "@/api/deliveries";
import { asApiError } from "@/api/errors";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { TextSkeleton } from "@/ui/feedback/Skeletons";
import { saveBlob } from "@/ui/files";
import { CopyButton } from "@/ui/text/CopyButton";
import { TextViewer } from "@/ui/text/TextViewer";
import classes from "./Deliveries.module.css";
import { HeaderList } from "./HeaderList";
import { curlOf } from "./programs";
import { strings } from "./strings";

type Props = { deliveryId: string; number: number };

/** The request of an attempt, exactly as it was signed. */
export function AttemptRequest({ deliveryId, number }: Props) {
  const { data, error, refetch } = useQuery(attemptRequestQuery(deliveryId, number));
  if (error) return <NoRequest error={error} onRetry={() => void refetch()} />;
  if (data === undefined) return <TextSkeleton lines={8} />;
  return (
    <>
      <div className={classes.line}>
        <code className="mono">
          {data.method} {data.url}
        </code>
        <div className={classes.buttons}>
          <CopyButton value={() => curlOf(data)} what={strings.asCurl} withText />
          <SaveBody request={data} />
        </div>
      </div>
      <HeaderList headers={data.headers} note={strings.transfer} />
      <section>
        <h2 className={classes.heading}>{strings.body}</h2>
        {data.body === null ? (
          <p className={classes.note}>{strings.noBody}</p>
        ) : (
          <TextViewer text={data.body} label={strings.body} />
        )}
        <p className={classes.hash}>
          {strings.hash}: <code className="mono">{data.body_sha256}</code>
        </p>
      </section>
    </>
  );
}

/** Explains a missing request: those of emails are not recorded. */
export function NoRequest({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  const { code, message } = asApiError(error);
  if (code === "delivery_request_not_recorded") return <p className={classes.note}>{message}</p>;
  return <ErrorState error={error} title={strings.requestFailed} onRetry={onRetry} />;
}

/** A button that saves the exact bytes of the body. */
export function SaveBody({ request: { body } }: { request: Request }) {
  const save = () => saveBlob(new Blob([body ?? ""], { type: "application/json" }), "body.json");
  return (
    <Button
      variant="default"
      leftSection={<Download size={16} aria-hidden />}
      disabled={body === null}
      onClick={save}
    >
      {strings.saveBody}
    </Button>
  );
}
