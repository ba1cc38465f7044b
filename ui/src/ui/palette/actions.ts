/** Something that the command palette can do on the open page. */
type PageAction = { label: string; run: () => void };

/** The buttons and links of the open page that act on the whole page. */
export function shownActions(): PageAction[] {
  const selector = "[data-page-actions] :is(button, a):not(:disabled)";
  return [...document.querySelectorAll<HTMLElement>(selector)].flatMap((element) => {
    const label = element.getAttribute("aria-label") ?? element.textContent?.trim() ?? "";
    return label === "" ? [] : [{ label, run: () => element.click() }];
  });
}
