"""Parses email addresses, for settings, accounts and mail."""

import re

import idna

_LOCAL = r"[^\s@<>()\[\]\\,;:\"\x00-\x1f\x7f-\x9f]{1,64}"
_DOMAIN = r"[^\s@<>()\[\]\\,;:\"\x00-\x1f\x7f-\x9f]{1,253}"
_ADDRESS = re.compile(rf"({_LOCAL})@({_DOMAIN})")
_NAMED = re.compile(r"([^<>\x00-\x1f\x7f-\x9f]{0,200})<([^<>]*)>")


def parse(text: str) -> str | None:
    """An address for email headers and SMTP commands, with its domain in ASCII; None if the text is not an address.

    A domain with other characters is encoded with IDNA 2008 and UTS 46. Python's codec implements IDNA 2003, which
    encodes `straße.example` as `strasse.example`, another domain, and some characters as spaces, commas or brackets.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None:
        return None
    local, domain = match.groups()
    try:
        local.encode()
        if not domain.isascii():
            domain = idna.encode(domain, uts46=True).decode("ascii")
        domain.encode("idna")  # The codec leaves ASCII as it is and checks the lengths of labels.
    except UnicodeError:
        return None
    return f"{local}@{domain}"


def mailbox(email: str) -> str:
    """The key of limits and refusals for an address: emails to `a+b@x` and `a@x` usually arrive in one mailbox."""
    local, _, domain = (parse(email) or email).lower().rpartition("@")
    return f"{local.partition('+')[0] or local}@{domain}"


def parse_named(text: str) -> tuple[str, str] | None:
    """Name and address of `Name <address>` or of a bare address, whose name is empty; None if the text is neither."""
    named = _NAMED.fullmatch(text.strip())
    name, bare = ("", text.strip()) if named is None else (named[1], named[2])
    address = parse(bare.strip())
    return None if address is None else (name.strip().strip('"'), address)
