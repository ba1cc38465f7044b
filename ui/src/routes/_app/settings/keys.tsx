import { createFileRoute } from "@tanstack/react-router";
import { keysQuery } from "@/api/keys";
import { KeysPage } from "@/features/settings/KeysPage";

export const Route = createFileRoute("/_app/settings/keys")({
  loader: ({ context: { queryClient } }) => queryClient.ensureQueryData(keysQuery),
  component: KeysPage,
});
