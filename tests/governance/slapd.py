"""A real OpenLDAP server on a free port, with a temporary directory and two people."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SLAPD = shutil.which("slapd") or shutil.which("slapd", path="/usr/sbin:/usr/local/sbin:/usr/libexec")
BASE, ADMIN, ADMIN_PASSWORD = "dc=corp,dc=example", "cn=admin,dc=corp,dc=example", "the searcher's"
CONFIG = """include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile {folder}/pid
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCertificateFile {folder}/cert.pem
TLSCertificateKeyFile {folder}/key.pem
database mdb
suffix "{base}"
rootdn "{admin}"
rootpw "{password}"
directory {folder}/data
access to attrs=userPassword by anonymous auth by * none
access to * by * read
"""
PEOPLE = """dn: dc=corp,dc=example
objectClass: dcObject
objectClass: organization
o: Corp
dc: corp

dn: ou=people,dc=corp,dc=example
objectClass: organizationalUnit
ou: people

dn: uid=nina,ou=people,dc=corp,dc=example
objectClass: inetOrgPerson
uid: nina
cn: Nina Novak
givenName: Nina
sn: Novak
mail: nina@corp.example
employeeType: reviewers
userPassword: nina's word

dn: uid=otto,ou=people,dc=corp,dc=example
objectClass: inetOrgPerson
uid: otto
cn: Otto
sn: Otto
mail: otto@elsewhere.example
userPassword: otto's word
"""


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where it listens, and the authority of its certificate."""

    port: int
    tls_port: int
    certificate: str

    def change(self, ldif: str) -> None:
        """Apply changes as the directory's administrator."""
        command = [
            "ldapmodify",
            "-x",
            "-H",
            f"ldap://127.0.0.1:{self.port}",
            "-D",
            ADMIN,
            "-w",
            ADMIN_PASSWORD,
        ]
        subprocess.run(command, input=ldif.encode(), check=True, capture_output=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(port: int) -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("slapd does not listen")


@contextmanager
def running() -> Iterator[Server]:
    """Run a directory until the block ends."""
    assert SLAPD
    with tempfile.TemporaryDirectory(prefix="slapd-") as name:
        folder = Path(name)
        (folder / "data").mkdir()
        make = [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"),
        ]
        subprocess.run(make, check=True, capture_output=True)
        config = CONFIG.format(folder=folder, base=BASE, admin=ADMIN, password=ADMIN_PASSWORD)
        (folder / "slapd.conf").write_text(config)
        port, tls_port = _free_port(), _free_port()
        urls = f"ldap://127.0.0.1:{port} ldaps://127.0.0.1:{tls_port}"
        process = subprocess.Popen(
            [SLAPD, "-f", f"{folder}/slapd.conf", "-h", urls, "-d", "0"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait(tls_port)
            server = Server(port=port, tls_port=tls_port, certificate=(folder / "cert.pem").read_text())
            add = ["ldapadd", "-x", "-H", f"ldap://127.0.0.1:{port}", "-D", ADMIN, "-w", ADMIN_PASSWORD]
            subprocess.run(add, input=PEOPLE.encode(), check=True, capture_output=True)
            yield server
        finally:
            process.terminate()
            process.wait(10)
