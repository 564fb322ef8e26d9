"""What the host lends to one sandbox."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from glia.sandboxes.bubblewrap.cgroups import Group
from glia.sandboxes.bubblewrap.uids import Uid, Uids
from glia.sandboxes.bubblewrap.workspaces import Workspace


@dataclass(frozen=True)
class Holding:
    """group, uid, uids: None where this user cannot have them. is_kept: the files outlive the sandbox."""

    workspace: Workspace
    group: Group | None = None
    uid: Uid | None = None
    uids: Uids | None = None
    is_kept: bool = False

    @property
    def user(self) -> int | None:
        return None if self.uid is None else self.uid.number

    @property
    def is_quota_hard(self) -> bool:
        return self.workspace.image.exists()

    def give_back(self) -> None:
        """After the last process. Blocking; what cannot be removed now is left to the next sweep."""
        if self.group is not None:
            self.group.remove()
        with suppress(OSError):
            self.workspace.close(is_kept=self.is_kept)
        if self.uid is not None and self.uids is not None:
            self.uids.give_back(self.uid, is_kept=self.is_kept)
