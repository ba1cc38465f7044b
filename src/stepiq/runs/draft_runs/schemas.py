"""Shapes of runs of drafts in the API."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from stepiq.language.documents.source import SourceFormat
from stepiq.pipelines.drafts.schemas import Format, Text
from stepiq.pipelines.references import Reference
from stepiq.runs.schemas import INPUT_NAMES
from stepiq.web.bodies import FROM_TEXT, StrictModel


class DraftRunRequest(StrictModel):
    """The text to run, and its input. With `step_id`, only that step is executed."""

    other_names = INPUT_NAMES

    pipeline_id: Reference | None = None
    """Id or slug of the pipeline that is edited. Null: the text belongs to no pipeline."""
    text: Text | None = None
    """The definition. Default: your draft of the pipeline."""
    format: Format = SourceFormat.YAML
    """Format of `text`."""
    input_data: dict[str, Any] | None = None
    """Must match the `input.schema` of the text. Default: the input of `from_run`, else an empty object. `input` is another
    name."""
    step_id: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """The only step to execute. If it is inside a `parallel`, the whole `parallel` is executed."""
    outputs: dict[str, Any] | None = None
    """With `step_id`: outputs of other steps, by step id."""
    from_run: Annotated[UUID | None, FROM_TEXT] = None
    """With `step_id`: a run of the same pipeline that has the outputs of the other steps. `outputs` replace them."""
