"""`stepiq test`: pipelines run against what their authors expect of them, without asking, calling or waiting."""
