"""`python -m stepiq`: the same as the `stepiq` command."""

from stepiq.cli.main import main

main()
