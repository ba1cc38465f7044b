"""Errors of the local server that imitates OpenAI, in its format."""

from starlette.responses import JSONResponse, Response

MESSAGES = {
    400: "Invalid request.",
    404: "The model does not exist or you do not have access to it.",
    429: "Rate limit reached for requests. Please try again later.",
    500: "The server had an error while processing your request. Sorry about that!",
    503: "The engine is currently overloaded, please try again later.",
}
CODES = {404: "model_not_found", 429: "rate_limit_exceeded"}


def wrong_key(sent: str) -> str:
    """OpenAI's error message, which contains the first and last characters of the key."""
    if not sent:
        return "You didn't provide an API key. You need to provide your API key in an Authorization header."
    shown = f"{sent[:8]}{'*' * 11}{sent[-4:]}" if len(sent) > 12 else sent
    return (
        f"Incorrect API key provided: {shown}. You can find your API key at"
        " https://platform.openai.com/account/api-keys."
    )


def error_response(
    status: int, message: str, *, code: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    """A response in the format of OpenAI's errors."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    error = {"message": message, "type": kind, "param": None, "code": code}
    return JSONResponse({"error": error}, status, headers=headers)
