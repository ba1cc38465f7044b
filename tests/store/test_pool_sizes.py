"""How many connections to PostgreSQL the processes of a server open."""

import pytest

from stepiq.store.connections.pool_sizes import PoolSizes

pytestmark = pytest.mark.one_store

OTHERS = 3
"""Connections for notifications, in both directions, and for the lease of the worker."""


@pytest.mark.parametrize("processes", range(1, 9))
def test_eight_processes_fit_into_the_default_of_postgresql(processes: int):
    store, queue = PoolSizes.of(processes)

    assert processes * (store + queue + OTHERS) <= 97


def test_four_processes_leave_room_for_others():
    store, queue = PoolSizes.of(4)

    assert 4 * (store + queue + OTHERS) == 80


def test_a_process_of_many_can_still_work():
    assert PoolSizes.of(64) == PoolSizes(store=6, queue=3)


@pytest.mark.parametrize("processes", [1, 2, 4, 8])
def test_one_workspace_leaves_connections_for_others(processes: int):
    sizes = PoolSizes.of(processes)

    assert 2 < sizes.of_workspace < sizes.store
