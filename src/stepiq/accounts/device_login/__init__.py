"""Logins of programs with a code, which a person confirms in the browser, as RFC 8628 describes them."""
