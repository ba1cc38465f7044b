import { Button, TextInput } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { CircleCheck, CircleOff } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { useCan } from "@/api/access";
import { type Model, modelsQuery, type Provider, providersQuery } from "@/api/models";
import { EmptyState } from "@/ui/feedback/EmptyState";
import { LOCALE } from "@/ui/format/locale";
import { formatCompact } from "@/ui/format/numbers";
import { PageHeader } from "@/ui/PageHeader";
import type { Column } from "@/ui/table/columns";
import { DataTable } from "@/ui/table/DataTable";
import { Message } from "@/ui/text/Message";
import classes from "./Settings.module.css";
import { SOURCE_TEXTS, strings } from "./strings";

const TryPrompt = lazy(() => import("./TryPrompt"));

const route = getRouteApi("/_app/settings/models");

export function ModelsPage() {
  const { data: models } = useSuspenseQuery(modelsQuery);
  const { data: providers } = useSuspenseQuery(providersQuery);
  const { q = "" } = route.useSearch();
  const navigate = useNavigate({ from: "/settings/models" });
  const [tried, setTried] = useState<string | null>(null);
  const canTry = useCan("pipelines:execute");
  const words = q.toLowerCase().split(/\s+/).filter(Boolean);
  const found = models.data.filter(({ id, name }) =>
    words.every((word) => `${id} ${name}`.toLowerCase().includes(word)),
  );
  return (
    <>
      <PageHeader title={strings.models} description={strings.modelsDescription} />
      <ul aria-label={strings.providers} className={classes.providers}>
        {providers.data.map((provider) => (
          <ProviderCard key={provider.id} provider={provider} />
        ))}
      </ul>
      <TextInput
        type="search"
        aria-label={strings.search}
        placeholder={strings.search}
        className={classes.narrow}
        mb={12}
        value={q}
        onChange={(event) => {
          const text = event.currentTarget.value;
          void navigate({ search: { q: text || undefined }, replace: true });
        }}
      />
      {found.length === 0 ? (
        <EmptyState title={strings.noModel}>{strings.noModelText}</EmptyState>
      ) : (
        <DataTable
          label={strings.models}
          columns={columns(canTry ? setTried : null)}
          rows={found}
          rowId={(model) => model.id}
        />
      )}
      <Suspense fallback={null}>
        {tried !== null && <TryPrompt model={tried} onClose={() => setTried(null)} />}
      </Suspense>
    </>
  );
}

function ProviderCard({ provider }: { provider: Provider }) {
  const Icon = provider.usable ? CircleCheck : CircleOff;
  return (
    <li className={classes.provider}>
      <div className={classes.usable} data-usable={provider.usable}>
        <Icon size={16} aria-label={provider.usable ? strings.usable : strings.notUsable} />
        {provider.name}
      </div>
      <p className={classes.reason}>
        <Message text={provider.reason ?? SOURCE_TEXTS[provider.source] ?? ""} />
      </p>
    </li>
  );
}

function Price({ usd }: { usd: number | null }) {
  if (usd === null) return <span className="dimmed">{strings.unknown}</span>;
  const text = usd.toLocaleString(LOCALE, { style: "currency", currency: "USD" });
  return <span className="numeric">{text}</span>;
}

function columns(onTry: ((model: string) => void) | null): Column<Model>[] {
  return [
    {
      id: "model",
      header: "Model",
      cell: ({ id, usable, reason }) => (
        <span
          className={usable ? "mono truncate" : "mono truncate dimmed"}
          title={reason ?? undefined}
        >
          {id}
        </span>
      ),
    },
    {
      id: "context",
      header: "Context",
      width: "110px",
      align: "end",
      wideOnly: true,
      cell: ({ context_window: tokens }) => (
        <span className="numeric">{tokens === null ? strings.unknown : formatCompact(tokens)}</span>
      ),
    },
    {
      id: "input",
      header: "Input",
      width: "110px",
      align: "end",
      cell: (model) => <Price usd={model.input_usd_per_million} />,
    },
    {
      id: "output",
      header: "Output",
      width: "110px",
      align: "end",
      cell: (model) => <Price usd={model.output_usd_per_million} />,
    },
    {
      id: "try",
      header: <span className="visually-hidden">Actions</span>,
      width: "140px",
      wideOnly: true,
      cell: ({ id, usable }) =>
        usable &&
        onTry && (
          <div className={classes.actions}>
            <Button
              size="compact-sm"
              variant="subtle"
              aria-label={`${strings.tryPrompt} with ${id}`}
              onClick={() => onTry(id)}
            >
              {strings.tryPrompt}
            </Button>
          </div>
        ),
    },
  ];
}
