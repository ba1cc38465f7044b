import type { components } from "./schema";

type Problem = components["schemas"]["Problem"];
export type Issue = components["schemas"]["ProblemIssue"];

/** A request that failed: an error of the API, or no response at all (`status` 0, code `unreachable`). */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly issues: Issue[];
  /** Page of the documentation that describes the code. */
  readonly docsUrl: string | null;
  readonly requestId: string | null;
  readonly retryAfterSeconds: number | null;
  /** With status 412: the state that the request did not expect. */
  readonly current: unknown;

  constructor(
    problem: Pick<Problem, "status" | "code" | "detail"> & Partial<Problem>,
    retryAfterSeconds: number | null = null,
  ) {
    super(problem.detail);
    this.name = "ApiError";
    this.status = problem.status;
    this.code = problem.code;
    this.issues = problem.errors ?? [];
    this.docsUrl = problem.type?.startsWith("/docs/") ? problem.type : null;
    this.requestId = problem.request_id ?? null;
    this.retryAfterSeconds = retryAfterSeconds;
    this.current = problem.current ?? null;
  }

  static async from(response: Response): Promise<ApiError> {
    const retryAfter = Number(response.headers.get("Retry-After") ?? Number.NaN);
    const seconds = Number.isFinite(retryAfter) ? retryAfter : null;
    const body: unknown = await response.json().catch(() => null);
    if (isProblem(body)) return new ApiError(body, seconds);
    const detail = `The server answered ${response.status} without an explanation. Try again in a moment.`;
    const requestId = response.headers.get("X-Request-ID") ?? undefined;
    const problem = { status: response.status, code: "unexpected_response", detail };
    return new ApiError({ ...problem, request_id: requestId }, seconds);
  }

  static unreachable(): ApiError {
    const detail = "The server did not respond. Check your connection, then try again.";
    return new ApiError({ status: 0, code: "unreachable", detail });
  }

  /** Messages of a form's fields, by the path of the field in the body. */
  get fieldErrors(): Record<string, string> {
    const byPath: Record<string, string> = {};
    for (const issue of this.issues) {
      byPath[issue.path] = byPath[issue.path]
        ? `${byPath[issue.path]} ${issue.message}`
        : issue.message;
    }
    return byPath;
  }

  /** Whether the same request can succeed later without a change. */
  get isTransient(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

function isProblem(body: unknown): body is Problem {
  return typeof body === "object" && body !== null && "code" in body && "detail" in body;
}

/** Any thrown value as an ApiError, for display. */
export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const detail = error instanceof Error ? error.message : String(error);
  return new ApiError({
    status: -1,
    code: "interface_error",
    detail: `This page failed: ${detail}`,
  });
}
