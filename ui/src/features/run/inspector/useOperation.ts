import { useQuery } from "@tanstack/react-query";
import { type OperationDetail, operationQuery } from "@/api/run";
import { operationsOf, type TabProps } from "./kinds";

/** The last call of the attempt with what it sent and received. */
export function useLastOperation({ detail, attempt }: Pick<TabProps, "detail" | "attempt">) {
  const operation = operationsOf(detail, attempt).at(-1);
  const query = useQuery({
    ...operationQuery(operation ?? { id: "", run_id: "", status: "running" }),
    enabled: operation !== undefined,
  });
  return { hasCall: operation !== undefined, operation: query.data, error: query.error };
}

export function field(value: OperationDetail["request"] | undefined, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return (value as Record<string, unknown>)[name];
}
