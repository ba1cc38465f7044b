import { Lock } from "lucide-react";
import { EmptyState } from "@/ui/feedback/EmptyState";
import { PageHeader } from "@/ui/PageHeader";
import { strings } from "./strings";

export function AdminsOnly() {
  return (
    <>
      <PageHeader title={strings.sections} />
      <EmptyState title={strings.denied} icon={Lock}>
        {strings.deniedText}
      </EmptyState>
    </>
  );
}
