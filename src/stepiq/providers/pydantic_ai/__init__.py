"""Anthropic and Google, through pydantic-ai and their own libraries."""
