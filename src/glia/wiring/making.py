"""Models that make images, speech and video, and where what they make is kept."""

from __future__ import annotations

from glia.inference.service import InferenceTools, providers_of
from glia.kit.db import Database
from glia.kit.outbound import Outbound
from glia.models.service import Configuration
from glia.sandboxes.service import Sandboxes
from glia.tools.types import MadeArtifact, ToolContext
from glia.usage.service import Spending


def inference_of(
    db: Database, outbound: Outbound, models: Configuration, sandboxes: Sandboxes, spending: Spending
) -> InferenceTools:
    async def keep(context: ToolContext, name: str, media_type: str, content: bytes) -> MadeArtifact:
        made = await sandboxes.artifacts.keep(
            context, name, content, media_type=media_type, session_id=context.session_id, run_id=context.run_id
        )
        return MadeArtifact(str(made.id), made.path, made.media_type, made.size_bytes)

    return InferenceTools(db, outbound, providers_of(models.providers), keep=keep, spending=spending)
