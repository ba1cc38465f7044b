import { useMantineColorScheme } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { pipelineSearchQuery } from "@/api/pipelineSearch";
import { useUser } from "@/api/session";
import { sectionsFor } from "../shell/navigation";
import { useSignOutWithToast } from "../shell/useSignOutWithToast";
import { useCurrentActions } from "./actions";
import { matching, type PaletteItem, runIdIn } from "./matching";

const DEBOUNCE_MS = 120;
const SCHEMES = [
  { scheme: "auto", label: "Use the theme of the system" },
  { scheme: "light", label: "Use the light theme" },
  { scheme: "dark", label: "Use the dark theme" },
] as const;
const REFERENCE = [
  { label: "API reference", path: "/docs" },
  { label: "Errors and what to do about them", path: "/docs/errors" },
  { label: "Step types", path: "/docs/steps" },
];

/** What the palette offers for a text: the run with this id, pages, actions, and pipelines from the server. */
export function usePaletteItems(text: string): { items: PaletteItem[]; isLoading: boolean } {
  const router = useRouter();
  const user = useUser();
  const signOut = useSignOutWithToast();
  const { setColorScheme } = useMantineColorScheme();
  const pageActions = useCurrentActions();
  const paths = Object.keys(router.routesByPath);
  const opensPipelines = paths.some((path) => /^\/pipelines\/\$\w+\/edit$/.test(path));
  const opensRuns = paths.some((path) => /^\/runs\/\$\w+$/.test(path));
  const [searched] = useDebouncedValue(text.trim(), DEBOUNCE_MS);
  const pipelines = useQuery({ ...pipelineSearchQuery(searched), enabled: opensPipelines });

  const open = (href: string) => () => void router.navigate({ href });
  const runId = opensRuns ? runIdIn(text) : null;
  const runs: PaletteItem[] =
    runId === null
      ? []
      : [
          {
            id: runId,
            group: "Runs",
            label: "Open the run",
            detail: runId,
            run: open(`/runs/${runId}`),
          },
        ];
  const pages = [...sectionsFor(user, router.routesByPath), ...REFERENCE].map(
    ({ label, path }): PaletteItem => ({ id: path, group: "Pages", label, run: open(path) }),
  );
  const actions: PaletteItem[] = [
    ...pageActions,
    ...SCHEMES.map(({ scheme, label }) => ({ label, run: () => setColorScheme(scheme) })),
    { label: "Sign out", run: signOut },
  ].map((action) => ({ ...action, id: `action ${action.label}`, group: "Actions" }));
  const found = (pipelines.data?.data ?? []).map(
    ({ id, name, slug }): PaletteItem => ({
      id,
      group: "Pipelines",
      label: name,
      detail: slug,
      run: open(`/pipelines/${id}/edit`),
    }),
  );
  const local = matching([...pages, ...actions], text);
  const items = [...runs, ...local.filter(({ group }) => group === "Pages"), ...found];
  items.push(...local.filter(({ group }) => group === "Actions"));
  return { items, isLoading: pipelines.isFetching || searched !== text.trim() };
}
