// @vitest-environment happy-dom
import { cleanup, render } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import MarkdownRenderer from "./MarkdownRenderer";
import { safeLink } from "./safeLink";

afterEach(cleanup);

function html(text: string): string {
  return render(<MarkdownRenderer text={text} />).container.innerHTML;
}

test("HTML is shown as text", () => {
  const { container } = render(
    <MarkdownRenderer
      text={"<img src=x onerror=alert(1)>\n\n<script>alert(1)</script> **bold**"}
    />,
  );

  expect(container.querySelector("script, img")).toBeNull();
  expect(container.textContent).toContain("<script>alert(1)</script>");
});

test("an image is a link that shows its host", () => {
  const shown = html("![a chart](https://evil.example/x.png?leak=1)");

  expect(shown).not.toContain("<img");
  expect(shown).toContain("Image: a chart");
  expect(shown).toContain("evil.example");
});

test("a link shows its host and passes nothing on", () => {
  const { container } = render(<MarkdownRenderer text="[your bank](https://evil.example/login)" />);
  const link = container.querySelector("a");

  expect(link?.getAttribute("rel")).toBe("noopener noreferrer nofollow");
  expect(link?.textContent).toContain("evil.example");
});

test("nothing has a style attribute", () => {
  expect(html("| a | b |\n|:-:|--:|\n| 1 | 2 |")).not.toContain("style=");
});

test.each([
  "javascript:alert(1)",
  "data:text/html,x",
  "/settings/keys",
  "//evil.example",
  "vbscript:x",
  "",
])("%s is not a link", (href) => {
  expect(safeLink(href)).toBeNull();
});

test("a user name that looks like a host is removed", () => {
  expect(safeLink("https://bank.example@evil.example/")).toEqual({
    href: "https://evil.example/",
    host: "evil.example",
  });
});
