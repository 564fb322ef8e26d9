"""A project's vault: the documents of all its bases as one tree of folders."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from glia.identity.types import Principal
from glia.kit.db import Transaction
from glia.kit.errors import InvalidRequest
from glia.knowledge import project_queries
from glia.knowledge.checks import clean_folder
from glia.knowledge.documents import Documents
from glia.knowledge.errors import DocumentNotFound
from glia.knowledge.types import Document, Folder, KnowledgeBase

VAULT = "Vault"
"""The base that takes what is put into a project without naming a base."""


class Vault(Documents):
    async def vault_base(self, principal: Principal) -> KnowledgeBase:
        """The base for documents that name none, made when it is first asked for."""
        async with self._db.transaction(principal.workspace_id) as tx:
            await project_queries.hold_project(tx, principal.project_id)
            found = await project_queries.named_base(tx, principal.project_id, VAULT)
            if found is None:
                found = (await self.create(principal, VAULT)).id
        return await self.get(principal, found)

    async def vault_documents(
        self, principal: Principal, *, path: str = "", text: str = "", limit: int = 20, offset: int = 0
    ) -> tuple[list[Document], int]:
        """Newest first, and how many there are. path: a folder with all below it. text: in their names or titles."""
        principal.require("knowledge:read")
        path = clean_folder(path)
        project = principal.project_id
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await project_queries.documents(tx, project, path=path, text=text, limit=limit, offset=offset)
            return rows, await project_queries.count(tx, project, path=path, text=text)

    async def vault_folders(self, principal: Principal) -> list[Folder]:
        """The paths that documents of the project lie in; at most 10,000."""
        principal.require("knowledge:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await project_queries.folders(tx, principal.project_id)

    async def find_document(self, principal: Principal, id: UUID) -> Document:
        """Whichever base it is in. Raises DocumentNotFound."""
        principal.require("knowledge:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await project_queries.document(tx, id)
        if found is None:
            raise DocumentNotFound(f"There is no document '{id}' in this workspace.", document_id=str(id))
        return found

    async def bases_of(
        self, principal: Principal, *, project_id: UUID | None, document_ids: Sequence[UUID]
    ) -> tuple[list[UUID], list[UUID]]:
        """The bases of a project, oldest first, and those that hold these documents."""
        principal.require("knowledge:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            of_project = [] if project_id is None else await project_queries.bases(tx, project_id)
            of_documents = await project_queries.bases_of_documents(tx, document_ids) if document_ids else []
        return of_project, of_documents

    async def require_documents(self, tx: Transaction, ids: Sequence[UUID]) -> None:
        """Raises InvalidRequest when one of these is no document of the workspace: a check for an agent's spec."""
        missing = set(ids) - set(await project_queries.known_documents(tx, ids)) if ids else set[UUID]()
        if missing:
            raise InvalidRequest(
                f"There is no document '{min(missing)}' in this workspace; upload it first, or leave it away.",
                field="knowledge.document_ids",
            )
