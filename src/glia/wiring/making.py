"""Models that make images, speech and video, and where what they make is kept."""

from __future__ import annotations

from glia.inference.service import InferenceTools, providers_of
from glia.kit.db import Database
from glia.kit.outbound import Outbound
from glia.models.service import Configuration
from glia.sandboxes.service import Sandboxes
from glia.tools.types import MadeArtifact, ToolContext
from glia.usage.service import Spending


async def keep_artifact(
    sandboxes: Sandboxes, context: ToolContext, name: str, content: bytes, media_type: str
) -> MadeArtifact:
    """Shows the user of a session what a tool made."""
    kept = await sandboxes.artifacts.keep(
        context, name, content, media_type=media_type, session_id=context.session_id, run_id=context.run_id
    )
    return MadeArtifact(str(kept.id), kept.path, kept.media_type, kept.size_bytes)


def inference_of(
    db: Database, outbound: Outbound, models: Configuration, sandboxes: Sandboxes, spending: Spending
) -> InferenceTools:
    async def keep(context: ToolContext, name: str, media_type: str, content: bytes) -> MadeArtifact:
        return await keep_artifact(sandboxes, context, name, content, media_type)

    return InferenceTools(db, outbound, providers_of(models.providers), keep=keep, spending=spending)
