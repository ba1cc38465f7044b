import { QueryClient } from "@tanstack/react-query";
import { ApiError } from "./errors";

const MAX_RETRIES = 2;

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      retry: (failures, error) =>
        failures < MAX_RETRIES && error instanceof ApiError && error.isTransient,
      retryDelay: (attempt, error) => {
        const asked = error instanceof ApiError ? error.retryAfterSeconds : null;
        return asked === null ? 500 * 2 ** attempt : Math.min(asked, 30) * 1000;
      },
    },
    mutations: { retry: false },
  },
});
