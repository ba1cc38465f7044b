import httpx2
import pytest

from stepiq.core.http.hosts import Host, HostInvalid, permit
from stepiq.core.http.urls import SecretHostRefused


class TestParse:
    @pytest.mark.parametrize(
        ("text", "written"),
        [
            ("api.example.com", "api.example.com"),
            ("API.Example.COM.", "api.example.com"),
            ("*.example.com", "*.example.com"),
            ("api.example.com:8443", "api.example.com:8443"),
            ("*.example.com:443", "*.example.com:443"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("localhost", "localhost"),
            ("203.0.113.7:80", "203.0.113.7:80"),
            ("[2001:DB8:0:0::1]", "[2001:db8::1]"),
            ("[2001:db8::1]:8443", "[2001:db8::1]:8443"),
        ],
    )
    def test_a_host_has_one_form(self, text, written):
        host = Host.parse(text)

        assert str(host) == written
        assert Host.parse(written) == host

    @pytest.mark.parametrize(
        "text",
        [
            "", " ", "*", "*.", "*.com", "*.*.example.com", "a.*.example.com", "https://a.example", "a.example/path",
            "user@a.example", "a.example:", "a.example:0", "a.example:65536", "a.example:x", "a.example?x", "a.example#x",
            "a b", "127.1", "0x7f.1", "2130706433", "[::1", "[]", "[fe80::1%eth0]", "*.203.0.113.7", "*.[::1]", "a..b",
            "2001:db8::1", "x" * 64, "a\n.example",
        ],
    )  # fmt: skip
    def test_what_is_read_in_several_ways_is_refused(self, text):
        with pytest.raises(HostInvalid):
            Host.parse(text)


class TestIncludes:
    @pytest.mark.parametrize(
        ("host", "url"),
        [
            ("api.example.com", "https://api.example.com/v1"),
            ("api.example.com", "https://API.EXAMPLE.COM./v1"),
            ("api.example.com", "http://api.example.com:8080"),
            ("api.example.com:443", "https://api.example.com"),
            ("api.example.com:80", "http://api.example.com"),
            ("*.example.com", "https://a.b.example.com"),
            ("bücher.example", "https://xn--bcher-kva.example"),
            ("[2001:db8::1]", "https://[2001:0db8:0::1]/"),
        ],
    )
    def test_the_host_itself(self, host, url):
        assert Host.parse(host).includes(httpx2.URL(url))

    @pytest.mark.parametrize(
        ("host", "url"),
        [
            ("api.example.com", "https://example.com"),
            ("api.example.com", "https://api.example.com.evil.example"),
            ("api.example.com", "https://evil.example/api.example.com"),
            ("api.example.com", "https://x.api.example.com"),
            ("*.example.com", "https://example.com"),
            ("*.example.com", "https://badexample.com"),
            ("api.example.com:443", "http://api.example.com"),
            ("api.example.com:443", "https://api.example.com:8443"),
        ],
    )
    def test_no_other(self, host, url):
        assert not Host.parse(host).includes(httpx2.URL(url))


class TestPermit:
    def test_every_secret_must_allow_the_host(self):
        check = permit({"A": ["a.example", "b.example"], "B": ["b.example"]})

        check(httpx2.URL("https://b.example"))
        with pytest.raises(SecretHostRefused, match=r"`B` cannot be sent to `a\.example`"):
            check(httpx2.URL("https://a.example"))
