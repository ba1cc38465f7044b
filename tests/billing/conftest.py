from tests.support.midnight import midnight_is_far

__all__ = ["midnight_is_far"]
