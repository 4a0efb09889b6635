"""What one tenant seals, nobody else opens, and nothing that was touched opens at all."""

from base64 import b64encode
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from tenants.kernel.context import tenant_context
from tenants.keys import operations, sealing
from tenants.keys.models import TenantKey
from tenants.keys.operations import Place, Sealed
from tenants.keys.sealing import Undecipherable

HERE = Place(model="agents.toolsecret", field="value", pk="1")
VALUE = "canary-5f1c"


class TestSealing:
    def test_opens_what_it_sealed_for_the_same_place(self, acme: Any) -> None:
        sealed = operations.seal(VALUE, HERE)
        assert operations.unseal(sealed, HERE) == VALUE
        assert VALUE.encode() not in sealed.ciphertext

    def test_is_different_each_time(self, acme: Any) -> None:
        made = {operations.seal(VALUE, HERE).ciphertext for _ in range(50)}
        assert len({ciphertext[: sealing.NONCE_BYTES] for ciphertext in made}) == 50

    @pytest.mark.parametrize(
        "place",
        [
            Place(model="agents.other", field="value", pk="1"),
            Place(model="agents.toolsecret", field="other", pk="1"),
            Place(model="agents.toolsecret", field="value", pk="2"),
        ],
        ids=["model", "field", "row"],
    )
    def test_does_not_open_for_another_place(self, acme: Any, place: Place) -> None:
        with pytest.raises(Undecipherable):
            operations.unseal(operations.seal(VALUE, HERE), place)

    def test_does_not_open_with_any_byte_changed(self, acme: Any) -> None:
        sealed = operations.seal(VALUE, HERE)
        for n in range(len(sealed.ciphertext)):
            changed = bytearray(sealed.ciphertext)
            changed[n] ^= 1
            with pytest.raises(Undecipherable):
                operations.unseal(Sealed(ciphertext=bytes(changed), key_version=1), HERE)

    @pytest.mark.parametrize("ciphertext", [b"", b"short", b"x" * 12, b"x" * 27])
    def test_does_not_open_what_was_never_sealed(self, acme: Any, ciphertext: bytes) -> None:
        operations.seal(VALUE, HERE)
        with pytest.raises(Undecipherable):
            operations.unseal(Sealed(ciphertext=ciphertext, key_version=1), HERE)

    def test_refuses_a_place_whose_parts_could_be_read_otherwise(self) -> None:
        with pytest.raises(ValueError, match="separator"):
            sealing.seal(sealing.new_key(), b"x", bound_to=["a|b", "c"])


class TestTenants:
    def test_have_keys_of_their_own(self, acme: Any, globex_tenant: Any) -> None:
        sealed = operations.seal(VALUE, HERE)
        with tenant_context(globex_tenant):
            operations.seal("something", HERE)
            with pytest.raises(Undecipherable):
                operations.unseal(sealed, HERE)

    def test_cannot_use_each_others_wrapped_keys(self, acme: Any, globex_tenant: Any) -> None:
        sealed = operations.seal(VALUE, HERE)
        stolen = TenantKey.objects.get(schema="acme", version=1).wrapped
        TenantKey.objects.update_or_create(schema="globex", version=1, defaults={"wrapped": stolen})
        with tenant_context(globex_tenant), pytest.raises(Undecipherable):
            operations.unseal(sealed, HERE)

    def test_are_told_when_their_key_is_gone(self, acme: Any) -> None:
        sealed = operations.seal(VALUE, HERE)
        TenantKey.objects.all().delete()
        with pytest.raises(Undecipherable):
            operations.unseal(sealed, HERE)


class TestRotation:
    def test_seals_under_a_new_key_and_still_opens_the_old(self, acme: Any) -> None:
        old = operations.seal(VALUE, HERE)
        call_command("tenants", "rotate-key", "acme", verbosity=0)
        new = operations.seal(VALUE, HERE)
        assert (old.key_version, new.key_version) == (1, 2)
        assert operations.unseal(old, HERE) == operations.unseal(new, HERE) == VALUE

    def test_does_not_open_under_another_version(self, acme: Any) -> None:
        old = operations.seal(VALUE, HERE)
        operations.rotate("acme")
        with pytest.raises(Undecipherable):
            operations.unseal(Sealed(ciphertext=old.ciphertext, key_version=2), HERE)

    def test_makes_a_first_key_where_there_is_none(self, acme: Any) -> None:
        TenantKey.objects.filter(schema="acme").delete()
        assert operations.rotate("acme").version == 1

    def test_names_a_tenant_that_does_not_exist(self, acme: Any) -> None:
        with pytest.raises(CommandError, match="nowhere"):
            call_command("tenants", "rotate-key", "nowhere")


class TestPlatformKey:
    def test_that_is_another_opens_nothing(self, acme: Any, settings: Any) -> None:
        sealed = operations.seal(VALUE, HERE)
        settings.ENCRYPTION_KEY = b64encode(b"k" * 32).decode()
        with pytest.raises(Undecipherable):
            operations.unseal(sealed, HERE)

    def test_is_asked_for_outside_the_demo(self, acme: Any, settings: Any) -> None:
        settings.DEMO = False
        with pytest.raises(ImproperlyConfigured, match="ENCRYPTION_KEY"):
            operations.seal(VALUE, HERE)
