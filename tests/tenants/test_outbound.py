"""Outbound HTTP reaches public addresses and what the operator allows, and nothing else."""

import asyncio
import gzip
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tenants.kernel import addresses, outbound
from tests.tenants import sinks
from tests.tenants.sinks import Target, answer, listening

# Every way to write, or to resolve to, an address that no request may go to. {port} is where a sink
# listens on loopback.
HOSTS = """
127.0.0.1 127.0.0.2 127.1 127.0.1 127.255.255.254 0 0.0.0.0 0.0.0.1 00.0.0.0 0x7f000001 0x7f.0.0.1
2130706433 017700000001 0177.0.0.1 0177.0.0.01 127.0.0.01 127.0.0.0x1 0x7f.1 4294967295 256.256.256.256
127.0.0.1. localhost LOCALHOST localhost. 10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1
100.64.0.1 100.100.100.200 169.254.169.254 169.254.170.2 168.63.129.16 192.0.0.192 192.0.2.1 192.88.99.1
198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
[::1] [::] [0:0:0:0:0:0:0:1] [::127.0.0.1] [::ffff:127.0.0.1] [::ffff:7f00:1] [::ffff:10.0.0.1]
[::ffff:0:127.0.0.1] [64:ff9b::7f00:1] [64:ff9b::127.0.0.1] [64:ff9b:1::1] [2002:7f00:1::] [2002:a00:1::1]
[2001::1] [2001:0:7f00:1::] [2001:db8::1] [2001:10::1] [2001:20::1] [3fff::1] [100::1] [fc00::1]
[fd00:ec2::254] [fd12::1] [fe80::1] [fe80::1%25lo] [fe80::1%lo] [fec0::1] [ff02::1] [ff0e::1] [5f00::1]
"""
URLS = [
    *(f"http://{host}:{{port}}/" for host in HOSTS.split()),
    "http://\uff11\uff12\uff17.0.0.1:{port}/",  # fullwidth digits
    "http://127\u30020\u30020\u30021:{port}/",  # ideographic full stops
    "http://\u2460\u2461\u2466.0.0.1:{port}/",
    "http://example.com@127.0.0.1:{port}/",
    "http://user:secret@example.com:{port}/",
    "http://127.0.0.1:{port}#@example.com/",
    "http://127.0.0.1:{port}\\@example.com/",
    "http://example.com\\@127.0.0.1:{port}/",
    "http://127.0.0.1\t:{port}/",
    "http://127.0.0.1%2f@example.com:{port}/",
    "http://127.0.0.1%00.example.com:{port}/",
    "http://%31%32%37.0.0.1:{port}/",
    "http:///127.0.0.1:{port}/",
    "http:127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "127.0.0.1:{port}",
    "http://",
    "",
    "https://127.0.0.1:{port}/",
    "ftp://127.0.0.1:{port}/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/_GET",
    "dict://127.0.0.1:{port}/",
    "unix:///var/run/docker.sock",
    "ws://127.0.0.1:{port}/",
    "http+unix://%2Frun/x",
    "data:text/plain,x",
    "http://-.example.com/",
    "http://a..b/",
    "http://" + "a" * 9000 + "/",
]
PRIVATE_ANSWERS: list[Sequence[str]] = [
    ["127.0.0.1"],
    ["93.184.216.34", "127.0.0.1"],  # one good address does not excuse the other
    ["2606:2800:220:1::1", "::1"],
    ["::ffff:127.0.0.1"],
    ["fe80::1%lo"],
    ["169.254.169.254"],  # as a CNAME to a metadata service would end
    [],
]


def self_signed(name: str, folder: Path) -> Path:
    """Write a certificate for the name, and its key, which nobody has a reason to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, SHA256())
    )
    pem = folder / "server.pem"
    unencrypted = NoEncryption()
    pem.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, unencrypted) + made.public_bytes(Encoding.PEM)
    )
    return pem


def resolving(*answers: Sequence[str]) -> tuple[outbound.Resolve, list[str]]:
    """Return a resolver that gives the answers in turn, the last for ever, and what it was asked."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    return resolve, asked


@pytest.fixture
def target() -> Iterator[Target]:
    """Serve HTTP on loopback."""
    with listening() as server:
        yield server


@pytest.fixture
def allowed(settings: Any, target: Target) -> Target:
    """Let requests reach 127.0.0.1, as an operator may."""
    settings.OUTBOUND_ALLOWED_CIDRS = ["127.0.0.1/32"]
    return target


def get(url: str, **options: Any) -> outbound.Answer:
    return outbound.request("GET", url, **{"timeout_s": 20.0, **options})


class TestRefusal:
    def test_is_tried_with_at_least_sixty_forms(self) -> None:
        assert len(set(URLS)) >= 60

    def test_of_each_form_comes_before_any_connection(self, target: Target) -> None:
        for url in URLS:
            with pytest.raises(outbound.OutboundError) as caught:
                get(url.format(port=target.port))
            assert not caught.value.sent, url
        assert target.connections == 0

    @pytest.mark.parametrize("answers", PRIVATE_ANSWERS, ids=str)
    def test_looks_at_every_address_of_a_name(self, target: Target, answers: Sequence[str]) -> None:
        resolver, _ = resolving(answers)
        with pytest.raises(outbound.OutboundRefused):
            get(f"http://api.example.com:{target.port}/", resolver=resolver)
        assert target.connections == 0

    def test_covers_the_asynchronous_client(self, target: Target) -> None:
        async def ask(url: str) -> None:
            async with outbound.client(timeout_s=2) as client:
                await client.get(url)

        for url in URLS:
            with pytest.raises((outbound.OutboundError, httpx2.HTTPError, httpx2.InvalidURL)):
                outbound.run(ask(url.format(port=target.port)))
        assert target.connections == 0

    def test_of_odd_forms_holds_where_loopback_is_allowed(self, allowed: Target) -> None:
        for host in ("127.1", "0x7f.0.0.1", "2130706433", "0177.0.0.1", "[::ffff:127.0.0.1]", "0"):
            with pytest.raises(outbound.OutboundRefused):
                get(f"http://{host}:{allowed.port}/")
        assert allowed.connections == 0
        assert get(allowed.url).status == 200

    def test_is_not_undone_by_a_proxy_in_the_environment(
        self, target: Target, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, target.url)
        resolver, _ = resolving(["127.0.0.9"])
        with pytest.raises(outbound.OutboundRefused):
            get("http://api.example.com/", resolver=resolver)
        assert target.connections == 0


class TestRebinding:
    def test_leads_nowhere_because_a_name_is_resolved_once_a_request(self, settings: Any) -> None:
        settings.OUTBOUND_ALLOWED_CIDRS = ["127.0.0.2/32"]
        with listening("127.0.0.2") as public, listening("127.0.0.1", public.port) as private:
            resolver, asked = resolving(["127.0.0.2"], ["127.0.0.1"])
            url = f"http://rebind.example.com:{public.port}/"
            assert get(url, resolver=resolver).status == 200
            assert (asked, public.connections) == (["rebind.example.com"], 1)
            with pytest.raises(outbound.OutboundRefused):
                get(url, resolver=resolver)
            assert private.connections == 0

    def test_leads_nowhere_within_one_client(self, settings: Any) -> None:
        settings.OUTBOUND_ALLOWED_CIDRS = ["127.0.0.2/32"]

        async def ask_twice(url: str, resolver: outbound.Resolve) -> None:
            async with outbound.client(timeout_s=2, resolver=resolver) as client:
                assert (await client.get(url)).status_code == 200
                await client.get(url)

        with listening("127.0.0.2") as public, listening("127.0.0.1", public.port) as private:
            resolver, _ = resolving(["127.0.0.2"], ["127.0.0.1"])
            with pytest.raises(outbound.OutboundRefused):
                outbound.run(ask_twice(f"http://rebind.example.com:{public.port}/", resolver))
            assert private.connections == 0

    def test_of_the_name_changes_neither_host_header_nor_path(self, allowed: Target) -> None:
        resolver, _ = resolving(["127.0.0.1"])
        get(f"http://API.example.com:{allowed.port}/a%2Fb?q=1", resolver=resolver)
        (seen,) = allowed.seen
        assert seen["headers"]["Host"] == f"api.example.com:{allowed.port}"
        assert seen["path"] == "/a%2Fb?q=1"

    def test_an_address_that_does_not_answer_gives_way_to_the_next(self, settings: Any) -> None:
        settings.OUTBOUND_ALLOWED_CIDRS = ["127.0.0.0/8", "::1/128"]
        with listening() as target:
            resolver, _ = resolving(["127.0.0.3", "127.0.0.1"])
            assert get(f"http://api.example.com:{target.port}/", resolver=resolver).status == 200


class TestTls:
    def test_is_asked_for_the_name_and_its_certificate_is_checked(
        self, settings: Any, tmp_path: Path
    ) -> None:
        settings.OUTBOUND_ALLOWED_CIDRS = ["127.0.0.1/32"]
        names: list[str | None] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self_signed("api.example.com", tmp_path))
        context.sni_callback = lambda _socket, name, _context: names.append(name)
        with listening() as target:
            target.socket = context.wrap_socket(target.socket, server_side=True)
            resolver, _ = resolving(["127.0.0.1"])
            with pytest.raises(outbound.Unreachable) as caught:
                get(f"https://api.example.com:{target.port}/", resolver=resolver)
        assert "CERTIFICATE_VERIFY_FAILED" in repr(caught.value.__cause__)
        assert (names, target.seen) == (["api.example.com"], [])


class TestRedirect:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_is_an_answer_and_is_not_followed(self, settings: Any, status: int) -> None:
        settings.OUTBOUND_ALLOWED_CIDRS = ["127.0.0.2/32"]
        with listening("127.0.0.2") as public, listening() as private:
            public.reply = lambda handler: answer(handler, status, b"", Location=private.url)
            got = get(public.url, headers={"Authorization": "Bearer secret"})
            assert (got.status, private.connections) == (status, 0)

    def test_is_checked_again_by_a_client_that_follows(self, settings: Any) -> None:
        settings.OUTBOUND_ALLOWED_CIDRS = ["127.0.0.2/32"]

        async def follow(url: str) -> None:
            async with outbound.client(timeout_s=2) as client:
                await client.get(url, follow_redirects=True)

        with listening("127.0.0.2") as public, listening() as private:
            locations = iter([private.url, f"http://localhost:{private.port}/", "file:///etc/passwd"])
            public.reply = lambda handler: answer(handler, 302, b"", Location=next(locations))
            for _ in range(3):
                with pytest.raises((outbound.OutboundRefused, httpx2.UnsupportedProtocol)):
                    outbound.run(follow(public.url))
            assert private.connections == 0


class TestLimits:
    @pytest.mark.parametrize("reply", [sinks.trickle, sinks.trickle_headers], ids=["body", "headers"])
    def test_of_time_end_an_answer_that_trickles_in(self, allowed: Target, reply: Any) -> None:
        allowed.reply = reply
        began = time.monotonic()
        with pytest.raises(outbound.Interrupted) as caught:
            get(allowed.url, timeout_s=1.5)
        assert (caught.value.sent, time.monotonic() - began < 10) == (True, True)

    def test_of_size_end_an_answer_without_end(self, allowed: Target) -> None:
        allowed.reply = sinks.flood
        with pytest.raises(outbound.ResponseRefused, match="larger than 64 KB"):
            get(allowed.url, max_bytes=64 * 1024)

    def test_of_size_let_a_full_answer_through(self, allowed: Target) -> None:
        allowed.reply = lambda handler: answer(handler, 200, b"x" * 64 * 1024)
        assert len(get(allowed.url, max_bytes=64 * 1024).body) == 64 * 1024

    def test_are_not_evaded_by_compression(self, allowed: Target) -> None:
        bomb = gzip.compress(b"0" * 10_000_000)
        allowed.reply = lambda handler: answer(handler, 200, bomb, Content_Encoding="gzip")
        with pytest.raises(outbound.ResponseRefused, match="compressed"):
            get(allowed.url)
        assert allowed.seen[0]["headers"]["Accept-Encoding"] == "identity"

    def test_of_time_cover_a_resolver_that_hangs(self, target: Target) -> None:
        async def hang(_host: str, _port: int) -> Sequence[str]:
            await asyncio.sleep(60)
            return []

        with pytest.raises(outbound.Unreachable):
            get("http://api.example.com/", resolver=hang, timeout_s=0.2)


class TestSent:
    def test_is_said_when_the_connection_breaks_afterwards(self, allowed: Target) -> None:
        allowed.reply = sinks.hang_up
        with pytest.raises(outbound.Interrupted) as caught:
            get(allowed.url)
        assert caught.value.sent

    def test_is_denied_when_nobody_listens(self, settings: Any) -> None:
        settings.OUTBOUND_ALLOWED_CIDRS = ["127.0.0.1/32"]
        with listening() as gone:
            url = gone.url
        with pytest.raises(outbound.Unreachable) as caught:
            get(url)
        assert not caught.value.sent

    def test_is_denied_for_a_name_that_does_not_exist(self) -> None:
        with pytest.raises(outbound.Unreachable):
            get("http://does-not-exist.invalid/")

    @pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\x00b"])
    def test_is_denied_for_a_header_that_would_be_two(self, allowed: Target, value: str) -> None:
        with pytest.raises(outbound.OutboundRefused):
            get(allowed.url, headers={"X-Value": value})
        assert allowed.seen == []


class TestAddresses:
    @pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "2a00:1450::1"])
    def test_that_are_public_are_allowed(self, address: str) -> None:
        assert addresses.is_allowed(address, allowed=[])

    def test_are_allowed_by_network_and_family(self) -> None:
        allowed = addresses.networks(["10.1.0.0/16", "fd00::/8"])
        verdicts: dict[str, bool] = {"10.1.2.3": True, "10.2.0.1": False, "fd00::1": True, "::1": False}
        is_allowed: Callable[[str], bool] = lambda a: addresses.is_allowed(a, allowed=allowed)  # noqa: E731
        assert {address: is_allowed(address) for address in verdicts} == verdicts

    def test_of_networks_are_refused_with_host_bits(self) -> None:
        with pytest.raises(ValueError, match="host bits"):
            addresses.networks(["10.0.0.1/8"])
