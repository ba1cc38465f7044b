"""Write the completions of the schema into their page."""

from tests.language.json_schema.completions import PAGE, page

PAGE.write_text(page(), encoding="utf-8")
