from __future__ import annotations

import socket

import pytest
import redis

from .conftest import Stores


@pytest.fixture
def client(stores: Stores) -> redis.Redis:
    return redis.Redis.from_url(stores.valkey.url(), decode_responses=True)


class TestValkey:
    def test_keeps_what_it_is_given(self, client: redis.Redis) -> None:
        wanted = {"appendonly": "yes", "maxmemory-policy": "noeviction", "bind": "127.0.0.1"}
        assert {name: client.config_get(name)[name] for name in wanted} == wanted

    def test_needs_a_password(self, stores: Stores) -> None:
        with socket.create_connection(("127.0.0.1", stores.valkey.port), timeout=5) as connection:
            connection.sendall(b"PING\r\n")
            assert connection.recv(100).startswith(b"-NOAUTH")
