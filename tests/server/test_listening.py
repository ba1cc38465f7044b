import errno
import socket

import pytest

from stepiq.server.connections.listening import AddressInUse, AddressUnusable, bind


class TestBind:
    def test_a_free_port_is_listened_on(self):
        with (
            bind("127.0.0.1", 0, "STEPIQ_PORT") as listener,
            socket.create_connection(listener.getsockname()) as client,
        ):
            assert client.getpeername() == listener.getsockname()

    def test_a_port_in_use_names_the_setting_of_the_port(self):
        with (
            bind("127.0.0.1", 0, "STEPIQ_PORT") as taken,
            pytest.raises(AddressInUse, match="or set STEPIQ_WORKER_PORT to another port"),
        ):
            bind("127.0.0.1", taken.getsockname()[1], "STEPIQ_WORKER_PORT")

    # Addresses of other machines, and texts that are not valid names.
    @pytest.mark.parametrize(
        "host", ["192.0.2.1", "2001:db8::1", "a..b", "a\x1bb", "a\x00b", "a b", 64 * "a"]
    )
    def test_a_wrong_host_names_the_setting_of_the_host(self, host: str):
        with pytest.raises(AddressUnusable) as refused:
            bind(host, 0, "STEPIQ_PORT")

        assert refused.value.message == (
            f"The server cannot listen on {host}:0: this machine has no address `{host}`. Set STEPIQ_HOST or --host to one of its"
            " addresses, such as 127.0.0.1, or to 0.0.0.0 for all of them."
        )

    def test_a_port_that_only_root_can_use_is_explained(self, monkeypatch: pytest.MonkeyPatch):
        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(socket, "create_server", refuse)

        with pytest.raises(AddressUnusable, match="Set STEPIQ_PORT to a port from 1024 to 65535"):
            bind("127.0.0.1", 80, "STEPIQ_PORT")
