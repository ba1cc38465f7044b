"""Handlebars templates over plain data. The public interface is `Template`, its errors and `Meter`."""

from stepiq.language.templates.errors import (
    SecretMissing,
    TemplateError,
    TemplateLimit,
    TemplateSyntaxError,
    TemplateUnresolved,
)
from stepiq.language.templates.meter import Meter, OverBudget
from stepiq.language.templates.nodes import Reference
from stepiq.language.templates.template import Template, secret_names_of

__all__ = [
    "Meter",
    "OverBudget",
    "Reference",
    "SecretMissing",
    "Template",
    "TemplateError",
    "TemplateLimit",
    "TemplateSyntaxError",
    "TemplateUnresolved",
    "secret_names_of",
]
