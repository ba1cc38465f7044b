import { SegmentedControl } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { attemptRequestQuery } from "@/api/deliveries";
import { TextSkeleton } from "@/ui/feedback/Skeletons";
import { CodeBlock } from "@/ui/text/CodeBlock";
import { NoRequest, SaveBody } from "./AttemptRequest";
import classes from "./Deliveries.module.css";
import { signatureOf, verifier } from "./programs";
import { LANGUAGES, type Language } from "./search";
import { strings } from "./strings";

type Props = {
  deliveryId: string;
  number: number;
  language: Language;
  onLanguage: (language: Language) => void;
};

/** A program that verifies the signature of this request. */
export function VerifySignature({ deliveryId, number, language, onLanguage }: Props) {
  const { data, error, refetch } = useQuery(attemptRequestQuery(deliveryId, number));
  if (error) return <NoRequest error={error} onRetry={() => void refetch()} />;
  if (data === undefined) return <TextSkeleton lines={8} />;
  const signature = signatureOf(data);
  if (signature === null) return <p className={classes.note}>{strings.unsigned}</p>;
  return (
    <>
      <p className={classes.note}>{strings.verifyText}</p>
      <div className={classes.line}>
        <SegmentedControl
          aria-label={strings.language}
          data={LANGUAGES.map((value) => ({ value, label: strings.languageNames[value] }))}
          value={language}
          onChange={onLanguage}
        />
        <SaveBody request={data} />
      </div>
      <CodeBlock label={strings.program} code={verifier(language, signature)} />
      <p className={classes.note}>{strings.verifyNote}</p>
    </>
  );
}
