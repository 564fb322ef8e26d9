interface Node {
  type: string;
  value?: string;
  children?: Node[];
}

const BREAK = /^<br\s*\/?>$/i;

/** Markdown's pieces of HTML: a line break is one, a comment is nothing, and all else is text that a reader sees. */
export const htmlAsText = () => (root: Node) => walk(root);

function walk(node: Node) {
  if (!node.children) return;
  node.children = node.children.flatMap((child) => {
    walk(child);
    if (child.type !== "html") return [child];
    const value = child.value ?? "";
    if (BREAK.test(value)) return [{ type: "break" }];
    if (/^<!--[\s\S]*-->$/.test(value)) return [];
    const text = { type: "text", value };
    // A block of HTML stands where paragraphs do.
    return [node.type === "paragraph" || isInline(node) ? text : { type: "paragraph", children: [text] }];
  });
}

const INLINE = ["emphasis", "strong", "delete", "link", "heading", "tableCell"];
const isInline = (node: Node) => INLINE.includes(node.type);
