import { type RefObject, useEffect } from "react";

/**
 * Brings what a form marks into view after each refusal, because the button that sends a long form is at its end.
 * `failure` is that of the server, and `refusals` counts those of the page.
 */
export function useRefusalInView(
  form: RefObject<HTMLElement | null>,
  failure: unknown,
  refusals = 0,
): void {
  useEffect(() => {
    if (failure === null && refusals === 0) return;
    const marks = '[role="alert"], [aria-invalid="true"]';
    const first = form.current?.querySelector<HTMLElement>(marks);
    first?.scrollIntoView({ block: "nearest" });
    first?.focus();
  }, [form, failure, refusals]);
}
