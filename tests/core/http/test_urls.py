# ruff: noqa: RUF001 — characters that look like others are what is tried here
from contextlib import suppress
from ipaddress import ip_network
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepiq.core.http import EgressBlocked, RequestInvalid, UrlInvalid, check_url, mask_host

PIECES = st.sampled_from(
    ["http", "https", "ftp", ":", "//", "/", "\\", "@", "[", "]", "%", "%25", "%00", "?", "#", ".", "..", "127", "0x7f", "0177", "1", "::1", "::", "fe80::1%eth0", "localhost", "example.com", "。", "①", "𝟙", "ß", "xn--", "xn--a", "-", "_", ":80", ":0", ":99999", ":٣", " ", "\t", "\n", "\x00", "\ud800", "\u202e", "a" * 64]
)  # fmt: skip


class TestCheckUrl:
    @pytest.mark.parametrize(
        "url",
        [
            "https://example.com",
            "http://example.com:8080/path?a=b#c",
            "HTTPS://EXAMPLE.com./",
            "https://bücher.example/",
            "https://xn--bcher-kva.example",
            "https://my_service.example",
            "https://8.8.8.8",
            "https://[2606:4700:4700::1111]:8443/",
            "https://example.com/http://127.0.0.1/",
            "https://4chan.example",
            "https://1.2.3.4.example",
        ],
    )
    def test_a_public_url_passes(self, url: str):
        assert check_url(url).host

    @pytest.mark.parametrize(
        ("url", "problem"),
        [
            ("", "begin with"),
            ("example.com", "begin with"),
            ("//example.com", "begin with"),
            ("ftp://example.com", "begin with"),
            ("file:///etc/passwd", "begin with"),
            ("gopher://127.0.0.1:6379/_PING", "begin with"),
            ("ws://example.com", "begin with"),
            (" https://example.com", "begin with"),
            ("https://user@example.com", "user name or password"),
            ("https://user:password@example.com", "user name or password"),
            ("https://example.com\\@127.0.0.1/", "user name or password"),
            ("https://", "no host"),
            ("https:///path", "no host"),
            ("https://:80", "no host"),
            ("https://example.com:0", "port"),
            ("https://example.com:65536", "port"),
            ("https://example.com:-1", "port"),
            ("https://example.com:https", "malformed"),
            ("https://exa mple.com", "not a valid name"),
            ("https://example..com", "not a valid name"),
            ("https://.example.com", "not a valid name"),
            ("https://example.com%2f.evil.example", "not a valid name"),
            ("https://a%00b.example", "not a valid name"),
            (f"https://{'a' * 64}.example", "not a valid name"),
            (f"https://{'a.' * 130}example", "not a valid name"),
            ("https://127.1", "not a valid IPv4"),
            ("https://[fe80::1%25eth0]/", "zone"),
            ("https://[2606:4700::1%eth0]/", "zone"),
            ("https://[::1", "malformed"),
            ("https://[not-an-address]", "malformed"),
            ("https://example.com/\r\nHost: x", "malformed"),
            ("https://①②⑦.⓪.⓪.①", "malformed"),
            ("https://example.com/" + "a" * 8192, "longer than"),
        ],
    )
    def test_what_cannot_be_called_is_refused_with_its_reason(self, url: str, problem: str):
        with pytest.raises(UrlInvalid, match=problem):
            check_url(url)

    @pytest.mark.parametrize(
        "url",
        ["http://127.0.0.1", "http://[::1]:80", "http://127。0。0。1", "http://169.254.169.254/"],
    )
    def test_an_address_that_is_not_public_needs_no_look_up(self, url: str):
        with pytest.raises(EgressBlocked, match="STEPIQ_ALLOWED_PRIVATE_NETWORKS"):
            check_url(url)

    def test_an_allowed_range_is_open(self):
        assert check_url("http://10.1.2.3", [ip_network("10.1.0.0/16")]).host == "10.1.2.3"

    def test_no_message_repeats_what_may_be_secret(self):
        with pytest.raises(EgressBlocked) as caught:
            check_url("http://10.0.0.1/hooks/s3cret?token=s3cret")

        assert "10.0.0.1" in caught.value.message
        assert "s3cret" not in caught.value.message

    @given(st.lists(st.one_of(PIECES, st.text(max_size=8)), max_size=10).map("".join))
    def test_anything_is_either_accepted_or_refused(self, text: str):
        for url in (text, f"http://{text}", f"https://{text}/", f"http://a{text}"):
            with suppress(RequestInvalid):
                check_url(url)

    @given(st.integers(0, 2**32 - 1), st.sampled_from(["{}", "{:#x}", "0{:o}", "{}."]))
    def test_no_number_passes_as_a_host(self, number: int, form: str):
        with pytest.raises(UrlInvalid):
            check_url(f"http://{form.format(number)}/")

    @given(st.ip_addresses())
    def test_an_address_passes_only_as_itself(self, address):
        host = f"[{address}]" if address.version == 6 else str(address)
        try:
            checked = check_url(f"https://{host}/{quote(str(address))}")
        except RequestInvalid:
            return

        assert checked.host == str(address)


class TestMaskHost:
    """The secret is `S3cret/path`, and its label `[it]`."""

    @staticmethod
    def masked(url: str, message: str) -> str:
        return mask_host(message, url, lambda text: text.replace("S3cret/path", "[it]"))

    @pytest.mark.parametrize(
        ("url", "host", "shown"),
        [
            ("https://S3cret/path", "s3cret", "[it]"),
            ("https://a.S3cret/path?q", "a.s3cret", "a.[it]"),
            ("https://[2606:4700:0::1]:8443/", "2606:4700::1", "2606:4700::1"),
            ("https://a.example/S3cret/path", "a.example", "a.example"),
            ("https://a.example?S3cret/path", "a.example", "a.example"),
        ],
    )
    def test_a_host_is_shown_as_in_the_masked_url(self, url: str, host: str, shown: str):
        assert self.masked(url, f"`{host}` is down.") == f"`{shown}` is down."

    def test_the_host_of_a_redirect_stays(self):
        assert self.masked("https://S3cret/path", "`b.example` is down.") == "`b.example` is down."

    def test_a_port_is_shown_only_if_it_is_in_no_secret(self):
        message = "`{}` does not use TLS on port 81."

        assert self.masked("https://a.example:81/", message) == message
        assert self.masked("https://S3cret/path", message) == "`{}` does not use TLS."

    @pytest.mark.parametrize("url", ["", "https://[S3cret/path", "S3cret/path" * 1000])
    def test_a_message_about_a_text_that_is_no_url_stays(self, url: str):
        assert self.masked(url, "`url` is malformed.") == "`url` is malformed."
