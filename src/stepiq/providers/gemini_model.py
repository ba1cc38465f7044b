"""The library's Gemini model, limited to one request. Imports the library, so import it only when needed."""

from google.genai.types import ContentUnionDict, GenerateContentConfigDict
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.google import GoogleModel, GoogleModelSettings


class SingleRequestModel(GoogleModel):
    """Sends one request for each call.

    By default, Google's SDK continues long answers and interrupted streams with requests of its own, which cost tokens.
    """

    async def _build_content_and_config(
        self,
        messages: list[ModelMessage],
        model_settings: GoogleModelSettings,
        model_request_parameters: ModelRequestParameters,
    ) -> tuple[list[ContentUnionDict], GenerateContentConfigDict]:
        contents, config = await super()._build_content_and_config(
            messages, model_settings, model_request_parameters
        )
        config["automatic_continuation"] = False
        return contents, config
