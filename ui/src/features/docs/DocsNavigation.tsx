import { SubNavigation } from "@/ui/SubNavigation";
import { strings } from "./strings";

const PAGES = (["/docs", "/docs/errors", "/docs/steps"] as const).map((to) => ({
  to,
  label: strings.titles[to],
}));

export function DocsNavigation() {
  return <SubNavigation label={strings.sections} pages={PAGES} />;
}
