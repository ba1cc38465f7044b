import { Alert, Button, NativeSelect } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type DeviceLogin, useDecideDeviceLogin } from "@/api/deviceLogin";
import type { Session } from "@/api/session";
import { workspacesQuery } from "@/api/workspaces";
import { AuthPage } from "@/features/auth/AuthPage";
import { SCOPE_TEXTS } from "@/features/settings/strings";
import { RelativeTime } from "@/ui/format/Values";
import { Message } from "@/ui/text/Message";
import classes from "./DevicePage.module.css";
import { Decided } from "./EnterCode";
import { strings } from "./strings";

type Props = {
  code: string;
  login: DeviceLogin;
  /** Whether the scopes are still those of another workspace. */
  isStale: boolean;
  session: Session;
  workspaceId: string;
  onWorkspace: (id: string) => void;
};

/** Shows what a program states, and what it gets. Asks the person to compare the code. */
export function Confirm({ code, login, isStale, session, workspaceId, onWorkspace }: Props) {
  const decide = useDecideDeviceLogin();
  const workspaces = useQuery(workspacesQuery).data ?? [session.user.workspace];
  if (decide.data !== undefined) {
    const { approved, workspace } = decide.data;
    return approved ? (
      <Decided title={strings.allowedTitle} text={strings.allowed(workspace.name)} />
    ) : (
      <Decided title={strings.deniedTitle} text={strings.denied} />
    );
  }
  const send = (approve: boolean) => decide.mutate({ code, approve, workspaceId });
  return (
    <AuthPage title={strings.title} error={decide.error} onSubmit={() => isStale || send(true)}>
      <output className={classes.code} aria-label={strings.code}>
        {code}
      </output>
      <Alert color="yellow" variant="light">
        <Message text={strings.compare} />
      </Alert>
      <dl className={classes.facts}>
        <dt>{strings.host}</dt>
        <dd>{login.host_name ?? strings.noHost}</dd>
        <dt>{strings.client}</dt>
        <dd className="mono">{login.client}</dd>
        <dt>{strings.started}</dt>
        <dd>
          <RelativeTime time={login.created_at} />
        </dd>
        <dt>{strings.person}</dt>
        <dd>{session.user.email}</dd>
      </dl>
      <p className={classes.note}>{strings.claims}</p>
      <NativeSelect
        label={strings.workspace}
        value={workspaceId}
        onChange={(event) => onWorkspace(event.currentTarget.value)}
        data={workspaces.map(({ id, name }) => ({ value: id, label: name }))}
      />
      <div>
        <p className={classes.text}>{strings.allows}</p>
        <ul className={classes.scopes}>
          {login.scopes.map((scope) => (
            <li key={scope}>{SCOPE_TEXTS[scope]}</li>
          ))}
        </ul>
      </div>
      <p className={classes.note}>
        <Message text={strings.ends(login.key_days)} />
      </p>
      <div className={classes.actions}>
        <Button variant="default" disabled={decide.isPending} onClick={() => send(false)}>
          {strings.deny}
        </Button>
        <Button type="submit" loading={decide.isPending || isStale}>
          {strings.allow}
        </Button>
      </div>
    </AuthPage>
  );
}
