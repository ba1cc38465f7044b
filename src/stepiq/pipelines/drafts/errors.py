"""Errors of drafts."""

from uuid import UUID

from stepiq.core.errors import NotFound
from stepiq.core.json import Json
from stepiq.web.errors import PreconditionFailed


class DraftNotFound(NotFound):
    """The caller has no draft of this pipeline."""

    code = "draft_not_found"

    def __init__(self, pipeline_id: UUID) -> None:
        super().__init__(
            f"You have no draft of pipeline {pipeline_id}. To keep a text, use PUT /api/pipelines/{pipeline_id}/draft, or "
            "POST /api/drafts for a new pipeline.",
            pipeline_id=pipeline_id,
        )


class DraftChanged(PreconditionFailed):
    """The draft was changed or deleted elsewhere, for example in another tab. `current` has the stored draft."""

    code = "draft_changed"

    def __init__(self, pipeline_id: UUID, current: Json) -> None:
        what = "was deleted" if current is None else "was changed"
        super().__init__(
            f"The draft of pipeline {pipeline_id} {what} elsewhere. Compare it with your text, and send the request again "
            "with the revision in `current`, or with null if the draft was deleted.",
            current,
            pipeline_id=pipeline_id,
        )
