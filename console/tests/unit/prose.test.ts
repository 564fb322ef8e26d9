import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { expect, test, vi } from "vitest";
import { Markdown } from "../../src/components/markdown";
import { picturesIn, pictureUrl } from "../../src/lib/prose";

// It knows where the server is by the page that it is in, and here is none.
vi.mock("../../src/lib/api", () => ({ api: {}, data: () => null }));

const shown = (text: string) =>
  renderToStaticMarkup(
    createElement(QueryClientProvider, { client: new QueryClient() }, createElement(Markdown, { text })),
  );

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

test("a picture from elsewhere is named with its host, and nothing of it is loaded", () => {
  const html = shown("See ![a chart](https://charts.example:8443/a.png?said=secret) and go on");

  expect(html).toContain("a chart");
  expect(html).toContain(">charts.example:8443</a>");
  expect(html).toMatch(/<button[^>]*aria-expanded="false"[^>]*>Show picture<\/button>/);
  expect(html).not.toMatch(/<img|src=|srcset|url\(/);
});

test("a picture in a link is a card beside the link, so that its button is in none", () => {
  const html = shown(
    "[![badge](https://a.example/b.png)](https://c.example/) [![own](data:image/gif;base64,R0lG)](x:y)",
  );

  expect(html).toContain('href="https://c.example/"');
  expect(html).not.toMatch(/<a [^>]*>(?:(?!<\/a>).)*<button/);
  expect(html.match(/<img/g)).toHaveLength(1);
});

test("a picture that the text holds is shown when it has pixels, and is its text when it has not", () => {
  expect(shown("![dot](data:image/png;base64,iVBORw0KGgo=)")).toContain(
    '<img src="data:image/png;base64,iVBORw0KGgo="',
  );
  for (const url of [
    "data:image/svg+xml;base64,PHN2Zy8+",
    "data:text/html;base64,PHN2Zy8+",
    "data:image/png,raw",
    "javascript:alert(1)",
    "file:///a.png",
    "/v1/agents",
    "mailto:a@b.example",
  ]) {
    expect(pictureUrl(url)).toBe("");
    expect(shown(`![a drawing](${url})`)).not.toMatch(/<img|<a |<button/);
    expect(shown(`![a drawing](${url})`)).toContain("a drawing");
  }
});

test("the pictures that a tool's text names are found, each once and not too many", () => {
  const text =
    '{"text": "![one](https://a.example/1.png) ![](https://a.example/2.png \\"t\\") ![again](https://a.example/1.png)"}';

  expect(picturesIn(text)).toEqual([
    { url: "https://a.example/1.png", alt: "one" },
    { url: "https://a.example/2.png", alt: "" },
  ]);
  expect(
    picturesIn('![two](<https://a.example/2.png> "A title") ![no](javascript:x) ![no](data:image/png;base64,AA)'),
  ).toEqual([{ url: "https://a.example/2.png", alt: "two" }]);
  expect(picturesIn(Array.from({ length: 40 }, (_, n) => `![](https://a.example/${n})`).join(" "))).toHaveLength(12);
  const began = performance.now();
  picturesIn("![a](https://".repeat(20_000));
  expect(performance.now() - began).toBeLessThan(5000);
});
