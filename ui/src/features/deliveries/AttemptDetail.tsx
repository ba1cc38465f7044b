import { Tabs } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import type { Attempt, Delivery } from "@/api/deliveries";
import { Message } from "@/ui/text/Message";
import { AttemptRequest } from "./AttemptRequest";
import { AttemptResponse } from "./AttemptResponse";
import classes from "./Deliveries.module.css";
import { type DeliverySearch, VIEWS } from "./search";
import { strings } from "./strings";
import { VerifySignature } from "./VerifySignature";

type Props = { delivery: Delivery; attempt: Attempt; search: DeliverySearch };

/** What an attempt sent and received. Of an email, only the result is known. */
export default function AttemptDetail({ delivery, attempt, search }: Props) {
  const navigate = useNavigate();
  const { view = "request" } = search;
  const show = (changes: DeliverySearch) =>
    void navigate({
      to: "/deliveries/$deliveryId",
      params: { deliveryId: delivery.id },
      search: { ...search, ...changes },
      replace: true,
      resetScroll: false,
    });
  if (delivery.target.type === "email") return <MailResult attempt={attempt} />;
  const key = { deliveryId: delivery.id, number: attempt.number };
  return (
    <Tabs
      value={view}
      onChange={(next) => show({ view: VIEWS.find((each) => each === next) })}
      keepMounted={false}
      className={classes.detail}
    >
      <Tabs.List aria-label={strings.views}>
        {VIEWS.map((each) => (
          <Tabs.Tab key={each} value={each}>
            {strings.viewNames[each]}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      <Tabs.Panel value={view} className={classes.panel}>
        {view === "request" && <AttemptRequest {...key} />}
        {view === "response" && <AttemptResponse attempt={attempt} />}
        {view === "verify" && (
          <VerifySignature
            {...key}
            language={search.language ?? "shell"}
            onLanguage={(language) => show({ language })}
          />
        )}
      </Tabs.Panel>
    </Tabs>
  );
}

function MailResult({ attempt }: { attempt: Attempt }) {
  const isAccepted = attempt.error === null && attempt.duration_ms !== null;
  return (
    <section aria-label={strings.attempt(attempt.number)} className={classes.panel}>
      {isAccepted && <p className={classes.note}>{strings.accepted}</p>}
      {attempt.error !== null && (
        <p className={classes.error}>
          <Message text={attempt.error} />
        </p>
      )}
      <p className={classes.note}>{strings.mail}</p>
    </section>
  );
}
