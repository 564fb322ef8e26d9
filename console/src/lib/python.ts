/** A request as a Python program of the standard library. The key stays a variable of the environment. */
export function python(server: string, method: string, path: string, body?: unknown): string {
  const lines = [
    "import json",
    "import os",
    "import urllib.request",
    "",
    ...(body === undefined ? [] : [`body = ${literal(body)}`]),
    "request = urllib.request.Request(",
    `    ${literal(server + path)},`,
    ...(body === undefined ? [] : ["    data=json.dumps(body).encode(),"]),
    `    method=${literal(method)},`,
    "    headers={",
    '        "Authorization": "Bearer " + os.environ["GLIA_API_KEY"],',
    '        "Content-Type": "application/json",',
    "    },",
    ")",
    "with urllib.request.urlopen(request, timeout=60) as response:",
    '    print(json.dumps(json.loads(response.read() or b"null"), indent=2))',
    "",
  ];
  return lines.join("\n");
}

/** A JSON value in Python's words. */
function literal(value: unknown, indent = ""): string {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  // JSON's escapes mean the same in Python, but for pairs of surrogates, which stay as they are in the text.
  if (typeof value !== "object") return JSON.stringify(value);
  const inner = `${indent}    `;
  const entries = Array.isArray(value)
    ? value.map((each) => literal(each, inner))
    : Object.entries(value)
        .filter(([, each]) => each !== undefined)
        .map(([name, each]) => `${JSON.stringify(name)}: ${literal(each, inner)}`);
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  if (!entries.length) return open + close;
  return `${open}\n${entries.map((each) => `${inner}${each},\n`).join("")}${indent}${close}`;
}
