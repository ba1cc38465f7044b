"""Which connections get a place, and which are closed for others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepiq.server.connections.limits import Connections, Limits, ServerFull, TooManyConnections

pytestmark = pytest.mark.one_store


class Crowd:
    """Connections with these limits, and the names of those that were closed for others."""

    def __init__(self, total=4, per_client=4, half_open=4, anteroom=2):
        self.all = Connections(Limits(total, per_client, half_open, anteroom))
        self.closed = []

    def open(self, client, name=""):
        return self.all.open(client, lambda: self.closed.append(name or client))

    def busy(self, client, name=""):
        one = self.open(client, name)
        assert self.all.request(one, client) is None
        self.all.work(one)
        return one

    def idle(self, client, name=""):
        one = self.busy(client, name)
        self.all.rest(one)
        return one

    def half_open(self, client, names):
        return [self.open(client, name) for name in names]


class TestTotal:
    def test_a_request_gets_the_place_of_a_half_open_connection(self):
        crowd = Crowd()
        crowd.half_open("a", "1234")
        late = crowd.open("b")

        assert crowd.all.request(late, "b") is None

        assert crowd.closed == ["1"]
        assert late.has_place

    def test_the_client_with_the_most_half_open_connections_loses_one(self):
        crowd = Crowd()
        crowd.half_open("a", "1")
        crowd.half_open("b", "234")
        late = crowd.open("c")

        crowd.all.request(late, "c")

        assert crowd.closed == ["2"]

    def test_without_a_half_open_connection_the_one_that_is_idle_longest_is_closed(self):
        crowd = Crowd()
        for name in "1234":
            crowd.idle("a", name)
        late = crowd.open("b")

        assert crowd.all.request(late, "b") is None

        assert crowd.closed == ["1"]

    def test_an_upload_is_not_closed_for_a_client_with_more_idle_connections(self):
        crowd = Crowd()
        crowd.half_open("a", "1")
        for name in "234":
            crowd.idle("b", name)
        late = crowd.open("c")

        crowd.all.request(late, "c")

        assert crowd.closed == ["2"]

    def test_an_idle_connection_of_the_client_with_the_most_is_closed(self):
        crowd = Crowd()
        crowd.idle("a", "1")
        for name in "234":
            crowd.idle("b", name)
        late = crowd.open("c")

        crowd.all.request(late, "c")

        assert crowd.closed == ["2"]

    def test_a_connection_at_work_is_not_closed(self):
        crowd = Crowd()
        for name in "1234":
            crowd.busy(name)
        late = crowd.open("b")

        refusal = crowd.all.request(late, "b")

        assert isinstance(refusal, ServerFull)
        assert "4 connections" in refusal.message
        assert crowd.closed == []

    def test_a_connection_that_sends_nothing_closes_none(self):
        crowd = Crowd()
        crowd.half_open("a", "1234")

        crowd.open("b")

        assert crowd.closed == []

    def test_a_closed_connection_leaves_its_place(self):
        crowd = Crowd(total=1)
        first = crowd.busy("a")

        crowd.all.close(first)

        assert crowd.busy("b").has_place


class TestAnteroom:
    def test_the_oldest_connection_of_the_largest_client_leaves_it(self):
        crowd = Crowd(total=1)
        crowd.busy("a")
        crowd.half_open("b", "12")

        crowd.open("c")

        assert crowd.closed == ["1"]

    def test_a_connection_that_is_being_refused_leaves_it_for_another(self):
        crowd = Crowd(total=1)
        crowd.busy("a")
        for one in crowd.half_open("b", "12"):
            crowd.all.request(one, "b")
            crowd.all.work(one)

        crowd.open("c")

        assert crowd.closed == ["1"]


class TestOneClient:
    def test_a_client_with_all_its_connections_at_work_is_refused(self):
        crowd = Crowd(per_client=2)
        crowd.busy("a")
        crowd.busy("a")
        third = crowd.open("a")

        refusal = crowd.all.request(third, "a")

        assert isinstance(refusal, TooManyConnections)
        assert "2 connections" in refusal.message
        assert crowd.busy("b").has_place

    def test_a_request_closes_the_connection_of_its_client_that_is_idle_longest(self):
        crowd = Crowd(per_client=3)
        crowd.idle("b", "x")
        crowd.half_open("a", "1")
        crowd.idle("a", "2")
        crowd.idle("a", "3")
        fourth = crowd.open("a")

        assert crowd.all.request(fourth, "a") is None

        assert crowd.closed == ["2"]

    def test_clients_with_many_requests_leave_places_for_others(self):
        crowd = Crowd(total=12, per_client=12)
        for name in "abc":
            while crowd.all.request(one := crowd.open(name), name) is None:
                crowd.all.work(one)

        assert [crowd.all._of_client[name] for name in "abc"] == [6, 3, 2]
        assert crowd.busy("d").has_place

    def test_idle_connections_of_others_do_not_lower_its_limit(self):
        crowd = Crowd(total=12, per_client=4)
        for _ in range(2):
            for name in "abcd":
                crowd.idle(name)

        for _ in range(4):
            crowd.busy("e")

    def test_a_request_closes_the_oldest_half_open_connection_of_its_client(self):
        crowd = Crowd(half_open=2)
        crowd.half_open("b", "x")
        crowd.half_open("a", "123")
        fourth = crowd.open("a", "4")

        assert crowd.all.request(fourth, "a") is None

        assert crowd.closed == ["1"]

    def test_half_open_connections_above_the_limit_have_no_place(self):
        crowd = Crowd(half_open=2)

        ones = crowd.half_open("a", "123")

        assert [one.has_place for one in ones] == [True, True, False]

    def test_the_part_of_another_request_makes_an_idle_connection_half_open(self):
        crowd = Crowd(half_open=1)
        one = crowd.idle("a", "first")
        crowd.all.read(one)
        late = crowd.open("a")

        crowd.all.request(late, "a")

        assert crowd.closed == ["first"]

    def test_so_does_one_above_the_limit(self):
        crowd = Crowd(half_open=1)
        for one in [crowd.idle("a", "first"), crowd.idle("a", "second")]:
            crowd.all.read(one)

        assert crowd.closed == ["first"]


def of_site(number):
    """A /64 network of one /48."""
    return f"2001:db8:0:{number:x}::/64"


class TestSites:
    def test_the_clients_of_one_site_have_the_connections_of_four(self):
        crowd = Crowd(total=20, per_client=2)
        for number in range(8):
            crowd.busy(of_site(number))
        late = crowd.open(of_site(8))

        refusal = crowd.all.request(late, of_site(8))

        assert isinstance(refusal, TooManyConnections)
        assert "The /48 network of your address has 8 connections" in refusal.message
        assert crowd.busy("2001:db8:1:1::/64").has_place

    def test_a_request_closes_an_idle_connection_of_its_site(self):
        crowd = Crowd(total=20, per_client=2)
        crowd.idle("192.0.2.1", "x")
        for number in range(8):
            crowd.idle(of_site(number), str(number))
        late = crowd.open(of_site(8))

        assert crowd.all.request(late, of_site(8)) is None

        assert crowd.closed == ["0"]

    def test_its_clients_have_the_half_open_connections_of_four(self):
        crowd = Crowd(total=20, half_open=1)

        ones = [crowd.open(of_site(number)) for number in range(5)]

        assert [one.has_place for one in ones] == [True] * 4 + [False]

    def test_a_full_server_closes_a_connection_of_the_site_with_the_most(self):
        crowd = Crowd()
        crowd.idle("192.0.2.1", "x")
        for number in range(3):
            crowd.idle(of_site(number), str(number))
        late = crowd.open("192.0.2.2")

        crowd.all.request(late, "192.0.2.2")

        assert crowd.closed == ["0"]

    def test_ipv4_addresses_of_one_network_have_no_common_limit(self):
        crowd = Crowd(total=20, per_client=2)

        assert all(crowd.busy(f"192.0.2.{number}").has_place for number in range(12))


class TestProxies:
    def test_a_proxy_has_more_connections_than_a_client(self):
        crowd = Crowd(per_client=1, half_open=1)

        assert all(crowd.open("").has_place for _ in range(4))

    def test_its_requests_count_for_the_client_that_it_names(self):
        crowd = Crowd(per_client=1)
        one, two, three = (crowd.open("") for _ in range(3))
        crowd.all.request(one, "a")
        crowd.all.work(one)

        assert isinstance(crowd.all.request(two, "a"), TooManyConnections)
        assert crowd.all.request(three, "b") is None

    def test_a_response_ends_the_count(self):
        crowd = Crowd(per_client=1)
        one, two = crowd.open(""), crowd.open("")
        crowd.all.request(one, "a")
        crowd.all.work(one)

        crowd.all.rest(one)

        assert crowd.all.request(two, "a") is None


class TestLimits:
    def test_one_client_has_at_most_a_quarter(self):
        assert Limits.fitted(100, 500) == Limits(100, 25, 12, 25)

    def test_the_smallest_server_has_a_place_for_each_purpose(self):
        assert Limits.fitted(1, 500) == Limits(1, 1, 1, 1)


ACTIONS = st.tuples(
    st.sampled_from(["open", "request", "read", "work", "rest", "close"]),
    st.integers(0, 11),
    st.sampled_from(["", "a", "b", "c"]),
)


class TestAnyOrder:
    @given(st.lists(ACTIONS, max_size=80))
    def test_no_limit_is_exceeded_and_nothing_is_left_at_the_end(self, actions):
        limits = Limits(4, 2, 1, 2)
        every = Connections(limits)
        alive = []
        for action, number, client in actions:
            if action == "open":
                alive.append(every.open(client, lambda: None))
            elif alive:
                one = alive[number % len(alive)]
                if action == "request":
                    every.request(one, one.owner or client)
                else:
                    getattr(every, action)(one)
            assert every._places <= limits.total
            assert len(every._anteroom) <= limits.anteroom
            assert all(count <= limits.per_client for count in every._of_client.values())
            assert all(
                every._half_open.count(client) <= limits.half_open_per_client for client in "abc"
            )
        for one in alive:
            every.close(one)

        assert every == Connections(limits)
