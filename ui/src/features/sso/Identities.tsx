import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import {
  type Identity,
  type IdentityProvider,
  identitiesQuery,
  providersQuery,
  startAddress,
  useDisconnectIdentity,
} from "@/api/identities";
import { ConfirmDialog } from "@/ui/feedback/ConfirmDialog";
import { toast } from "@/ui/feedback/toast";
import { RelativeTime } from "@/ui/format/Values";
import type { Column } from "@/ui/table/columns";
import { DataTable } from "@/ui/table/DataTable";
import classes from "./Identities.module.css";
import { strings } from "./strings";

const PROFILE = "/settings/profile";

/** The identities of the account. Shows nothing on a server without providers, if the account has none. */
export default function Identities() {
  const { data: providers } = useQuery(providersQuery);
  const { data: identities } = useQuery(identitiesQuery);
  const [leaving, setLeaving] = useState<Identity | null>(null);
  if (providers === undefined || identities === undefined) return null;
  const active = identities.data.filter((identity) => !identity.suspended);
  const connected = new Set(active.map((identity) => identity.provider));
  const others = providers.data.filter((provider) => !connected.has(provider.id));
  if (identities.data.length === 0 && others.length === 0) return null;
  // Without a password, somebody who disconnects the last identity could not sign in any more.
  const canDisconnect = identities.has_password || identities.data.length > 1;
  return (
    <section className={classes.section} aria-labelledby="identities">
      <h2 id="identities" className={classes.heading}>
        {strings.identities}
      </h2>
      <p className={classes.text}>
        {identities.data.length === 0 ? strings.noIdentities : strings.identitiesText}
      </p>
      {identities.data.length > 0 && (
        <DataTable
          label={strings.identities}
          columns={columns(canDisconnect ? setLeaving : null)}
          rows={identities.data}
          rowId={({ id }) => id}
        />
      )}
      {others.length > 0 && <ConnectButtons providers={others} />}
      {leaving !== null && <Disconnect identity={leaving} onClose={() => setLeaving(null)} />}
    </section>
  );
}

function ConnectButtons({ providers }: { providers: IdentityProvider[] }) {
  return (
    <div className={classes.buttons}>
      {providers.map((provider) => (
        <Button
          key={provider.id}
          component="a"
          href={startAddress(provider, { next: PROFILE, connect: true })}
          variant="default"
        >
          {strings.connect(provider.name)}
        </Button>
      ))}
    </div>
  );
}

function Disconnect({ identity, onClose }: { identity: Identity; onClose: () => void }) {
  const disconnect = useDisconnectIdentity();
  return (
    <ConfirmDialog
      isOpen
      title={strings.disconnectTitle(identity.provider_name)}
      action={strings.disconnect}
      isPending={disconnect.isPending}
      onClose={onClose}
      onConfirm={() =>
        disconnect.mutate(identity.id, {
          onSuccess: onClose,
          onError: (error) => toast.failure(strings.notDisconnected, error),
        })
      }
    >
      {strings.disconnectText}
    </ConfirmDialog>
  );
}

function columns(onLeave: ((identity: Identity) => void) | null): Column<Identity>[] {
  return [
    {
      id: "provider",
      header: strings.provider,
      cell: (identity) => <span className="truncate">{identity.provider_name}</span>,
    },
    {
      id: "email",
      header: strings.email,
      wideOnly: true,
      cell: (identity) => <span className="truncate">{identity.email ?? "–"}</span>,
    },
    {
      id: "used",
      header: strings.lastUsed,
      width: "140px",
      cell: (identity) =>
        identity.suspended ? strings.suspended : <RelativeTime time={identity.last_used_at} />,
    },
    {
      id: "disconnect",
      header: <span className="visually-hidden">{strings.actions}</span>,
      width: "140px",
      align: "end",
      cell: (identity) =>
        onLeave !== null && (
          <Button
            size="compact-sm"
            variant="subtle"
            color="red"
            aria-label={`${strings.disconnect} ${identity.provider_name}`}
            onClick={() => onLeave(identity)}
          >
            {strings.disconnect}
          </Button>
        ),
    },
  ];
}
