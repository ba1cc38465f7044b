import { Button, Modal, SegmentedControl } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useCreateDraft } from "@/api/drafts";
import { examplesQuery } from "@/api/pipelines";
import { ErrorState } from "@/ui/feedback/ErrorState";
import classes from "./CreateDialog.module.css";
import { BlankSource, ExampleSource, FileSource, PasteSource } from "./CreateSources";
import type { ListSearch, Source } from "./listSearch";
import { BLANK, strings } from "./strings";

const SOURCES: { value: Source; label: string }[] = [
  { value: "blank", label: strings.blank },
  { value: "example", label: strings.example },
  { value: "file", label: strings.file },
  { value: "paste", label: strings.paste },
];

/** Chooses the first text of a pipeline. The address has the source, so that a link can open the dialog. */
export default function CreateDialog({ search }: { search: ListSearch }) {
  const { create: source, example: exampleId, ...filter } = search;
  const navigate = useNavigate();
  const [imported, setImported] = useState("");
  const [pasted, setPasted] = useState("");
  const { data: examples } = useQuery({ ...examplesQuery, enabled: source === "example" });
  const example = examples?.find(({ id }) => id === exampleId) ?? examples?.[0];
  const createDraft = useCreateDraft();
  const close = () => {
    createDraft.reset();
    void navigate({ to: "/pipelines", search: filter });
  };
  const texts: Record<Source, string> = {
    blank: BLANK,
    example: example?.source ?? "",
    file: imported,
    paste: pasted,
  };
  const text = source === undefined ? "" : texts[source];
  const open = () =>
    createDraft.mutate(text, {
      onSuccess: ({ pipeline_id: id }) =>
        void navigate({
          to: "/pipelines/$id/edit",
          params: { id },
          search: source === "example" ? { example: example?.id } : {},
        }),
    });
  return (
    <Modal opened={source !== undefined} onClose={close} title={strings.createTitle} size="lg">
      <SegmentedControl
        aria-label={strings.createTitle}
        fullWidth
        data={SOURCES}
        value={source ?? "blank"}
        onChange={(value) =>
          void navigate({
            to: "/pipelines",
            search: { ...filter, create: value as Source },
            replace: true,
          })
        }
      />
      <div className={classes.source}>
        {source === "blank" && <BlankSource />}
        {source === "example" && (
          <ExampleSource
            examples={examples}
            selected={example}
            onSelect={(id) =>
              void navigate({
                to: "/pipelines",
                search: { ...search, example: id },
                replace: true,
              })
            }
          />
        )}
        {source === "file" && <FileSource text={imported} onText={setImported} />}
        {source === "paste" && <PasteSource text={pasted} onText={setPasted} />}
      </div>
      {createDraft.error && <ErrorState error={createDraft.error} title={strings.createFailed} />}
      <div className={classes.actions}>
        <Button onClick={open} loading={createDraft.isPending} disabled={text.trim() === ""}>
          {strings.open}
        </Button>
      </div>
    </Modal>
  );
}
