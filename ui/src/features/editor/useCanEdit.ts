import { useQuery } from "@tanstack/react-query";
import { useCan } from "@/api/access";
import { savedPipelineQuery } from "@/api/pipelines";

/** Whether the person can edit the text: not without the role, and not while a repository manages the pipeline. */
export function useCanEdit(id: string): boolean {
  const canWrite = useCan("pipelines:write");
  const { data: pipeline } = useQuery(savedPipelineQuery(id));
  return canWrite && !pipeline?.managed_by;
}
