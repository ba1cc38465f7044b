import time

import pytest

from stepiq.accounts.devices import describe

_KIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "shown"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_KIT} Chrome/140.0.0.0 Safari/537.36", "Chrome on Windows"),
        (f"Mozilla/5.0 (X11; Linux x86_64) {_KIT} HeadlessChrome/140.0 Safari/537.36", "Chrome on Linux"),
        (f"Mozilla/5.0 (Windows NT 10.0) {_KIT} Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {_KIT} Chrome/140.0 Safari/537.36", "Chrome on ChromeOS"),
        (f"Mozilla/5.0 (Windows NT 10.0) {_KIT} Chrome/140.0 Safari/537.36 OPR/120.0", "Opera on Windows"),
        (f"Mozilla/5.0 (Linux; Android 15; SM-S911B) {_KIT} SamsungBrowser/28.0 Chrome/130.0 Mobile Safari/537.36", "Samsung Internet on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15", "Safari on macOS"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0 Mobile/15E148 Safari/604.1", "Chrome on iPad"),
        ("Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0", "Firefox on Android"),
        ("Mozilla/5.0 (Linux; some webview)", "Browser on Linux"),
        ("Mozilla/5.0", "Unknown"),
        ("curl/8.14.1", "curl"),
        ("python-httpx/0.28.1", "python-httpx"),
        ("stepiq 1.0 (something)", "stepiq"),
        (None, "Unknown"),
        ("", "Unknown"),
        ("   ", "Unknown"),
        ("\x1b[31mred", "Unknown"),
        ("\u202egnp.exe", "Unknown"),
        ("<script>alert(1)</script>", "Unknown"),
        ("a" * 41, "Unknown"),
        ("a" * 40, "a" * 40),
    ],
)  # fmt: skip
def test_a_device_is_described(user_agent, shown):
    assert describe(user_agent) == shown


def test_long_headers_take_no_time():
    # Time of this thread, which does not depend on what else the machine does.
    started = time.thread_time()
    shown = describe("Mozilla/5.0 " + "Version/ " * 2_000_000)

    assert shown == "Unknown"
    assert time.thread_time() - started < 0.5
