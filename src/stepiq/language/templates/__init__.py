"""Handlebars templates over plain data. The public interface is `Template`, its errors and `RenderMeter`."""

from stepiq.language.templates.errors import (
    SecretMissing,
    TemplateError,
    TemplateLimit,
    TemplateSyntaxError,
    TemplateUnresolved,
)
from stepiq.language.templates.meter import OverBudget, RenderMeter
from stepiq.language.templates.nodes import Reference
from stepiq.language.templates.template import Template, secret_names_of

__all__ = [
    "OverBudget",
    "Reference",
    "RenderMeter",
    "SecretMissing",
    "Template",
    "TemplateError",
    "TemplateLimit",
    "TemplateSyntaxError",
    "TemplateUnresolved",
    "secret_names_of",
]
