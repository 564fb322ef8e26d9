"""Programs for pods: whoever has the signed address gets the program, and nobody else anything."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path
from uuid import UUID

from glia.deployments.kubernetes.packing import pack, sha256_of
from glia.deployments.kubernetes.programs import LINK_PURPOSE, ProgramLinks
from glia.identity.secrets import load_secrets
from glia.kit.ids import new_id
from glia.wiring import House
from tests.deployments.conftest import WEB
from tests.surfaces.conftest import Client, Server


async def links(house: House) -> ProgramLinks:
    secrets = await load_secrets(house.db, house.settings.secret_key)
    return ProgramLinks(secrets.derive(LINK_PURPOSE))


def test_a_signed_address_opens_one_program_and_no_other(kube_server: Server) -> None:
    client = kube_server.client(kube_server.workspace().api_key)
    stored = client.request("POST", "/v1/storage/upload?filename=web.py", raw=WEB)
    assert stored.status in (200, 201)
    body = {"name": f"p-{new_id().hex[-8:]}", "runtime": "python", "binary_url": "storage://web.py", "replicas": 0}
    id = client.made("/v1/deployments", body)["id"]
    with kube_server.admin() as admin:
        row = admin.execute("select version_id from deployments where id = %s", (id,)).fetchone()
    assert row is not None
    found = kube_server.do(links)
    path, anybody = found.path(UUID(str(row[0]))), Client(kube_server.port)

    answer = anybody.get(path)
    with tarfile.open(fileobj=io.BytesIO(answer.body)) as archive:
        program = archive.extractfile("program")
        assert program is not None
        assert program.read() == WEB
    assert answer.headers["content-type"] == "application/x-tar"
    assert anybody.get(path[:-1] + ("0" if path[-1] != "0" else "1")).status == 403
    assert anybody.get(path.replace("expires=", "expires=9")).status == 403
    assert anybody.get(path.replace(str(row[0]), str(new_id()))).status == 403
    assert anybody.get(f"/programs/{row[0]}").status == 403
    assert anybody.get(found.path(new_id())).status == 404
    assert anybody.get("/programs/nonsense").status == 404
    assert anybody.post(path, {}).status == 404
    client.delete(f"/v1/deployments/{id}")
    assert anybody.get(path).status == 404


def test_the_same_files_are_the_same_bytes_wherever_they_lie(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "lib").mkdir(parents=True)
        (tmp_path / name / "main.py").write_bytes(b"x" * 600)
        (tmp_path / name / "lib" / ("deep" * 40)).write_bytes(b"")
        (tmp_path / name / "main.py").chmod(0o755 if name == "one" else 0o775)

    content = b"".join(pack(tmp_path / "one"))

    assert sha256_of(tmp_path / "one") == sha256_of(tmp_path / "two") == hashlib.sha256(content).hexdigest()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        assert archive.getnames() == ["lib", f"lib/{'deep' * 40}", "main.py"]
