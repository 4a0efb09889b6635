"""A signed checkpoint holds for exactly one origin, size, root and key."""

import base64
import hashlib

import pytest

from governance.audit.checkpoint import is_valid, key_hash, public_bytes, sign, signing_key

KEY = signing_key(b"a secret")
PUBLIC = KEY.public_key()
ROOT = hashlib.sha256(b"root").digest()
NOTE = sign(origin="countersign/acme", size=7, root=ROOT, key=KEY)


def holds(
    note: str = NOTE,
    *,
    origin: str = "countersign/acme",
    size: int = 7,
    root: bytes = ROOT,
    secret: bytes = b"a secret",
) -> bool:
    return is_valid(note, origin=origin, size=size, root=root, key=signing_key(secret).public_key())


def signature_line(blob: bytes, name: str = "countersign") -> str:
    return f"\u2014 {name} {base64.b64encode(blob).decode()}\n"


def blob_of(note: str) -> bytes:
    return base64.b64decode(note.rstrip("\n").rpartition(" ")[2])


class TestSign:
    def test_writes_the_three_lines_of_a_checkpoint_and_one_signature(self) -> None:
        text, _, signature = NOTE.partition("\n\n")
        assert text.split("\n") == ["countersign/acme", "7", base64.b64encode(ROOT).decode()]
        assert signature.startswith("\u2014 countersign ")
        assert NOTE.endswith("\n")

    def test_puts_the_key_hash_of_the_signed_note_form_before_the_signature(self) -> None:
        expected = hashlib.sha256(b"countersign\n\x01" + public_bytes(PUBLIC)).digest()[:4]
        assert blob_of(NOTE)[:4] == expected == key_hash(PUBLIC)
        assert len(blob_of(NOTE)) == 4 + 64

    def test_gives_a_signature_that_any_verifier_of_ed25519_accepts(self) -> None:
        text = NOTE.partition("\n\n")[0] + "\n"
        PUBLIC.verify(blob_of(NOTE)[4:], text.encode())

    def test_takes_secrets_of_any_length(self) -> None:
        assert public_bytes(signing_key(b"").public_key()) != public_bytes(
            signing_key(b"x" * 999).public_key()
        )


class TestVerify:
    def test_holds(self) -> None:
        assert holds()

    def test_refuses_another_origin(self) -> None:
        assert not holds(origin="countersign/globex")

    def test_refuses_another_size(self) -> None:
        assert not holds(size=8)

    def test_refuses_another_root(self) -> None:
        assert not holds(root=hashlib.sha256(b"other").digest())

    def test_refuses_another_key(self) -> None:
        assert not holds(secret=b"another secret")

    @pytest.mark.parametrize("position", range(len(NOTE)))
    def test_refuses_a_change_of_any_character(self, position: int) -> None:
        changed = "A" if NOTE[position] != "A" else "B"
        assert not holds(NOTE[:position] + changed + NOTE[position + 1 :])

    @pytest.mark.parametrize("bit", range(0, 8 * 68, 7))
    def test_refuses_a_flipped_bit_of_the_signature(self, bit: int) -> None:
        blob = bytearray(blob_of(NOTE))
        blob[bit // 8] ^= 1 << bit % 8
        assert not holds(NOTE.partition("\u2014")[0] + signature_line(bytes(blob)))

    @pytest.mark.parametrize(
        "note",
        [
            "",
            "\n",
            NOTE[:-1],
            NOTE + "\n",
            NOTE + "more\n",
            "more\n" + NOTE,
            NOTE.replace("\n", "\r\n"),
            NOTE.partition("\u2014")[0] + signature_line(b""),
            NOTE.partition("\u2014")[0] + signature_line(key_hash(PUBLIC)),
            NOTE.partition("\u2014")[0] + "\u2014 countersign not base64\n",
            NOTE.partition("\u2014")[0] + signature_line(blob_of(NOTE), name="other"),
            NOTE + signature_line(blob_of(NOTE)),
        ],
    )
    def test_refuses_a_note_of_another_form(self, note: str) -> None:
        assert not holds(note)
