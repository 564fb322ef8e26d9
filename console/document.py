"""Cuts the server's OpenAPI document down to what the console asks, and makes `src/lib/schema.gen.ts` of it.

python document.py OPENAPI_JSON    (run with `npx` on PATH; the document is `/openapi.json` of a server)
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROUTES = HERE / "routes.txt"


def wanted() -> list[tuple[str, str]]:
    """Method and path of every route that the console uses."""
    lines = [line.split() for line in ROUTES.read_text().splitlines() if line.strip()]
    return [(method.lower(), path) for method, path in lines]


def cut(document: dict[str, Any]) -> dict[str, Any]:
    """Only the wanted routes, their answers that are no errors, and the schemas they name."""
    paths: dict[str, Any] = {}
    for method, path in wanted():
        operation = dict(document["paths"][path][method])
        operation["responses"] = {code: told for code, told in operation["responses"].items() if code < "300"}
        paths.setdefault(path, {})[method] = operation
    schemas, known = {}, document["components"]["schemas"]
    waiting = names_in(paths)
    while waiting:
        name = waiting.pop()
        if name not in schemas:
            schemas[name] = known[name]
            waiting |= names_in(known[name]) - set(schemas)
    return {**document, "paths": paths, "components": {"schemas": dict(sorted(schemas.items()))}}


def names_in(tree: object) -> set[str]:
    return set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(tree)))


def main() -> None:
    document = cut(json.loads(Path(sys.argv[1]).read_text()))
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(json.dumps(document))
        file.flush()
        target = HERE / "src" / "lib" / "schema.gen.ts"
        subprocess.run(
            ["npx", "--yes", "openapi-typescript@7.13.0", "--default-non-nullable=false", file.name, "-o", str(target)],
            check=True,
        )


if __name__ == "__main__":
    main()
