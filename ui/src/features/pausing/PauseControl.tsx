import { Button } from "@mantine/core";
import { Pause, Play } from "lucide-react";
import { useState } from "react";
import { useCan } from "@/api/access";
import type { Pausable } from "@/api/pipelines";
import PauseDialog from "./PauseDialog";
import { strings } from "./strings";

/** Pauses or resumes the pipeline of the page, by its button or the command palette. */
export default function PauseControl({ pipeline }: { pipeline: Pausable }) {
  const [isAsking, setAsking] = useState(false);
  const isPaused = pipeline.status === "paused";
  const ask = () => setAsking(true);
  const canPause = useCan("pipelines:write");
  if (!canPause) return null;
  const Icon = isPaused ? Play : Pause;
  return (
    <>
      <Button variant="default" leftSection={<Icon size={16} aria-hidden />} onClick={ask}>
        {isPaused ? strings.resume : strings.pause}
      </Button>
      {isAsking && <PauseDialog pipeline={pipeline} onClose={() => setAsking(false)} />}
    </>
  );
}
