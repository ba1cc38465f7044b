import { useMantineColorScheme } from "@mantine/core";
import { useDebouncedValue, useLocalStorage } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { useState } from "react";
import { can } from "@/api/access";
import { guidesQuery } from "@/api/docs";
import { pipelineSearchQuery } from "@/api/pipelineSearch";
import { useUser } from "@/api/session";
import { sectionsFor } from "../shell/navigation";
import { useSignOutWithToast } from "../shell/useSignOutWithToast";
import { shownActions } from "./actions";
import { matching, type PaletteItem, runIdIn } from "./matching";
import { creationsFor, pagesFor } from "./pages";

const DEBOUNCE_MS = 120;
const RECENT = 8;
const SCHEMES = [
  { scheme: "auto", label: "Use the theme of the system" },
  { scheme: "light", label: "Use the light theme" },
  { scheme: "dark", label: "Use the dark theme" },
] as const;
/** What the palette offers for a text: the run with this id, pages, actions, and pipelines from the server. */
export function usePaletteItems(text: string) {
  const router = useRouter();
  const user = useUser();
  const signOut = useSignOutWithToast();
  const [recent, setRecent] = useLocalStorage<string[]>({
    key: "stepiq-palette-recent",
    defaultValue: [],
    getInitialValueInEffect: false,
  });
  const { setColorScheme } = useMantineColorScheme();
  const [shown] = useState(shownActions);
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
  const pages = [...sectionsFor(user, router.routesByPath), ...pagesFor(user)].map(
    ({ label, path }): PaletteItem => ({ id: path, group: "Pages", label, run: open(path) }),
  );
  const { data: listedGuides = [] } = useQuery(guidesQuery);
  const guides = listedGuides.map(
    ({ title, path }): PaletteItem => ({
      id: path,
      group: "Pages",
      label: `Docs: ${title}`,
      run: () => window.location.assign(path),
    }),
  );
  const actions: PaletteItem[] = [
    ...shown,
    ...creationsFor(user).map(({ label, path }) => ({ label, run: open(path) })),
    ...SCHEMES.map(({ scheme, label }) => ({ label, run: () => setColorScheme(scheme) })),
    { label: "Sign out", run: signOut },
  ].map((action) => ({ ...action, id: `action ${action.label}`, group: "Actions" }));
  const known = pipelines.data?.data ?? [];
  const found = known.map(
    ({ id, name, slug }): PaletteItem => ({
      id,
      group: "Pipelines",
      label: name,
      detail: slug,
      run: open(`/pipelines/${id}/edit`),
    }),
  );
  const starts = known.map(
    ({ id, name }): PaletteItem => ({
      id: `run ${id}`,
      group: "Pipelines",
      label: `Run ${name}`,
      run: open(`/pipelines/${id}/edit?run=true`),
    }),
  );
  if (can(user.role, "pipelines:execute")) found.push(...starts);
  const local = matching([...pages, ...guides, ...actions], text, recent);
  const shownPages = local.filter(({ group }) => group === "Pages");
  const shownDeeds = local.filter(({ group }) => group === "Actions");
  const wanted = text.trim().toLowerCase();
  const isNamed = ({ label }: PaletteItem) => label.toLowerCase().startsWith(wanted);
  const isDeedBest =
    local[0]?.group === "Actions" || (shownDeeds.some(isNamed) && !shownPages.some(isNamed));
  const items =
    wanted !== "" && isDeedBest
      ? [...runs, ...shownDeeds, ...shownPages, ...found]
      : [...runs, ...shownPages, ...found, ...shownDeeds];
  const isLoading = pipelines.isFetching || searched !== text.trim();
  /** Put an item first the next time that the palette opens. */
  const remember = ({ id }: PaletteItem) =>
    setRecent([id, ...recent.filter((each) => each !== id)].slice(0, RECENT));
  return { items, isLoading, remember };
}
