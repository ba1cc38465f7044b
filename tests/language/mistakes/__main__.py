"""`python -m tests.language.mistakes`: writes the messages of all mistakes into `mistakes.md`, to be read in its diff."""

from tests.language.mistakes.page import PAGE, mistakes, written

if __name__ == "__main__":
    PAGE.write_text(written(mistakes(PAGE.read_text(encoding="utf-8"))), encoding="utf-8")
