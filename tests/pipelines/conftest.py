from tests.support.clients import login, login_key

__all__ = ["login", "login_key"]
