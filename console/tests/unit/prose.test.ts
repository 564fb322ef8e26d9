import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { expect, test } from "vitest";
import { Markdown } from "../../src/components/markdown";

const shown = (text: string) => renderToStaticMarkup(createElement(Markdown, { text }));

test("HTML in a model's text is read as it was written, and becomes no element", () => {
  const html = shown("Use <b>this</b>:\n\n<div onclick=x>Hello</div>\n\n<script>alert(1)</script>");

  expect(html).toContain("Use &lt;b&gt;this&lt;/b&gt;:");
  expect(html).toContain("&lt;div onclick=x&gt;Hello&lt;/div&gt;");
  expect(html).toContain("&lt;script&gt;alert(1)&lt;/script&gt;");
  expect(html).not.toMatch(/<(b|div onclick|script)/);
});

test("a line break in a table is one, and a comment is nothing", () => {
  const html = shown("| a |\n|---|\n| one<br>two |\n\n<!-- a note -->\n\nEnd");

  expect(html).toMatch(/one<br\/?>\s*two/);
  expect(html).not.toContain("note");
});
