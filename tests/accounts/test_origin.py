"""Which client a request counts for, and the limit of all clients of one site."""

from datetime import timedelta

import pytest

from stepiq.accounts.credentials.origin import SITE_CLIENTS, client_at, hit_client, site_of
from stepiq.web.counts import MemoryCounts
from stepiq.web.limits import Limiter

pytestmark = pytest.mark.one_store


class TestSiteOf:
    @pytest.mark.parametrize(
        ("address", "site"),
        [
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
            ("fe80::1%eth0", "fe80::/48"),
            ("192.0.2.1", ""),
            ("::ffff:192.0.2.1", ""),
            ("not an address", ""),
        ],
    )
    def test_an_ipv6_client_belongs_to_its_48(self, address: str, site: str):
        assert site_of(client_at(address)) == site


class TestHitClient:
    async def test_the_clients_of_one_site_have_the_limit_of_four(self):
        limiter = Limiter(2, timedelta(minutes=1))
        clients = [f"2001:db8:0:{number:x}::/64" for number in range(2 * SITE_CLIENTS)]

        assert all([(await hit_client(limiter, client)).is_allowed for client in clients])
        assert not (await hit_client(limiter, "2001:db8:0:ffff::/64")).is_allowed
        assert (await hit_client(limiter, "2001:db8:1:ffff::/64")).is_allowed

    async def test_refused_clients_do_not_displace_the_count_of_their_site(self):
        limiter = Limiter(1, timedelta(minutes=1), MemoryCounts(max_keys=10))

        allowed = [
            (await hit_client(limiter, f"2001:db8:0:{number:x}::/64")).is_allowed
            for number in range(100)
        ]

        assert sum(allowed) == SITE_CLIENTS

    async def test_a_client_over_its_limit_does_not_use_up_the_limit_of_its_site(self):
        limiter = Limiter(2, timedelta(minutes=1))

        allowed = [(await hit_client(limiter, "2001:db8:0:1::/64")).is_allowed for _ in range(20)]

        assert allowed == [True] * 2 + [False] * 18
        assert (await hit_client(limiter, "2001:db8:0:2::/64")).is_allowed

    async def test_ipv4_addresses_have_their_own_limits(self):
        limiter = Limiter(1, timedelta(minutes=1))

        assert all([(await hit_client(limiter, f"192.0.2.{n}")).is_allowed for n in range(20)])
