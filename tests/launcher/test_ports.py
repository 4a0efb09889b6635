from __future__ import annotations

import socket

import pytest

from launcher.errors import LauncherError
from launcher.ports import check_free, free_port, is_listening, wanted_port


class TestWantedPort:
    @pytest.mark.parametrize(
        ("environ", "port"), [({}, 8000), ({"PORT": ""}, 8000), ({"PORT": "9000"}, 9000)]
    )
    def test_is_8000_unless_the_user_says_otherwise(self, environ: dict[str, str], port: int) -> None:
        assert wanted_port(environ) == port

    @pytest.mark.parametrize("text", ["0", "65536", "-1", "80a", "8 0", "¹", "9" * 30])
    def test_refuses_what_is_not_a_port(self, text: str) -> None:
        with pytest.raises(LauncherError, match="PORT must be a number from 1 to 65535"):
            wanted_port({"PORT": text})


class TestCheckFree:
    def test_accepts_a_free_port(self) -> None:
        check_free(free_port())

    @pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])  # noqa: S104
    def test_says_what_to_do_about_a_port_in_use(self, address: str) -> None:
        with socket.create_server((address, 0)) as server:
            port = server.getsockname()[1]
            assert is_listening(port)
            with pytest.raises(LauncherError) as caught:
                check_free(port)
        assert str(caught.value) == f"Port {port} is in use; stop that program or run PORT=9000 make demo"

    def test_sees_a_program_that_listens_on_ipv6_only(self) -> None:
        try:
            server = socket.create_server(("::1", 0), family=socket.AF_INET6)
        except OSError:
            pytest.skip("this machine has no IPv6")
        with server, pytest.raises(LauncherError, match="is in use"):
            check_free(server.getsockname()[1])
