"""The library's Gemini model, limited to one request. Imports the library, so import it only when needed."""

from typing import Any, cast

from pydantic_ai.models.google import GoogleModel


class SingleRequestModel(GoogleModel):
    """Sends one request for each call.

    By default, Google's SDK continues long answers and interrupted streams with requests of its own, which cost tokens.
    """

    async def _build_content_and_config(self, *args: Any, **named: Any) -> Any:
        contents, config = await cast("Any", super())._build_content_and_config(*args, **named)
        config["automatic_continuation"] = False
        return contents, config
