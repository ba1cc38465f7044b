import base64
import os
from dataclasses import replace

import pytest

from stepiq.core import ids
from stepiq.core.keys import files as keys
from stepiq.core.keys.encryption import Keyring, Owner, SecretUnreadable, fingerprint
from stepiq.core.keys.files import KeyUnusable
from stepiq.core.settings.model import load
from tests.support.make_secrets import keyring

VALUE = "correct horse battery staple 😀"


@pytest.fixture
def owner():
    return Owner(ids.uuid7(), ids.uuid7(), "TOKEN", 1)


@pytest.fixture
def settings(tmp_path):
    return load(data_dir=tmp_path / "data", config_file=tmp_path / "none.toml")


class TestSeal:
    def test_what_is_sealed_opens_again(self, owner):
        ring = keyring()

        sealed = ring.seal(VALUE, owner)

        assert ring.open(sealed, owner) == VALUE
        assert sealed.key_id == ring.current

    def test_nothing_of_the_value_shows(self, owner):
        sealed = keyring().seal(VALUE, owner)

        assert VALUE.encode()[:8] not in sealed.ciphertext + sealed.wrapped_key

    def test_no_two_are_alike(self, owner):
        ring = keyring()

        first, second = ring.seal(VALUE, owner), ring.seal(VALUE, owner)

        assert first.ciphertext != second.ciphertext
        assert first.wrapped_key != second.wrapped_key


class TestOpen:
    @pytest.mark.parametrize(
        "change",
        [
            {"workspace_id": ids.uuid7()},
            {"scope_id": ids.uuid7()},
            {"name": "OTHER"},
            {"version": 2},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_it_opens_only_where_it_belongs(self, owner, change):
        ring = keyring()
        sealed = ring.seal(VALUE, owner)

        with pytest.raises(SecretUnreadable, match="damaged, or its row was copied"):
            ring.open(sealed, replace(owner, **change))

    @pytest.mark.parametrize("part", ["wrapped_key", "ciphertext"])
    @pytest.mark.parametrize("at", [0, 12, -1])
    def test_one_flipped_bit_is_noticed(self, owner, part, at):
        ring = keyring()
        sealed = ring.seal(VALUE, owner)
        damaged = bytearray(getattr(sealed, part))
        damaged[at] ^= 1

        with pytest.raises(SecretUnreadable, match="TOKEN"):
            ring.open(replace(sealed, **{part: bytes(damaged)}), owner)

    def test_parts_of_two_secrets_do_not_fit_together(self, owner):
        ring = keyring()
        first, second = ring.seal(VALUE, owner), ring.seal("another value", owner)

        with pytest.raises(SecretUnreadable):
            ring.open(replace(first, ciphertext=second.ciphertext), owner)

    def test_another_master_key_is_named_and_so_is_the_way_out(self, owner):
        sealed = keyring(b"a").seal(VALUE, owner)

        with pytest.raises(SecretUnreadable) as refused:
            keyring(b"b").open(sealed, owner)

        assert sealed.key_id in refused.value.message
        assert "STEPIQ_PREVIOUS_MASTER_KEYS" in refused.value.message
        assert VALUE not in refused.value.message

    def test_an_earlier_key_still_opens(self, owner):
        sealed = keyring(b"a").seal(VALUE, owner)

        assert keyring(b"c", b"b", b"a").open(sealed, owner) == VALUE


class TestRewrap:
    def test_the_value_is_then_under_the_current_key_alone(self, owner):
        sealed = keyring(b"a").seal(VALUE, owner)

        moved = keyring(b"b", b"a").rewrap(sealed, owner)

        assert keyring(b"b").open(moved, owner) == VALUE
        assert moved.ciphertext == sealed.ciphertext
        assert moved.wrapped_key != sealed.wrapped_key

    def test_without_the_old_key_it_refuses(self, owner):
        sealed = keyring(b"a").seal(VALUE, owner)

        with pytest.raises(SecretUnreadable):
            keyring(b"b").rewrap(sealed, owner)


class TestKeyring:
    def test_the_key_is_made_when_it_is_first_needed(self, settings, owner):
        ring = Keyring(settings)

        assert not (settings.data_dir / "master.key").exists()
        assert ring.open(ring.seal(VALUE, owner), owner) == VALUE
        assert (settings.data_dir / "master.key").stat().st_mode & 0o777 == 0o600

    def test_a_key_made_meanwhile_is_found(self, settings, owner):
        running = Keyring(settings)
        early = running.seal(VALUE, owner)

        keys.replace_master_key(settings)
        late = Keyring(settings).seal(VALUE, owner)

        assert late.key_id != early.key_id
        assert running.open(late, owner) == VALUE
        assert running.open(early, owner) == VALUE
        assert running.seal(VALUE, owner).key_id == late.key_id

    def test_nothing_more_is_stored_under_a_key_that_was_replaced(self, settings, owner):
        running = Keyring(settings)
        early = running.seal(VALUE, owner)

        keys.replace_master_key(settings)
        late = running.seal(VALUE, owner)

        assert late.key_id == Keyring(settings).current != early.key_id
        assert running.open(early, owner) == running.open(late, owner) == VALUE

    def test_an_unknown_key_stays_unknown(self, settings):
        assert not Keyring(settings).has("0123456789abcdef")

    def test_a_fingerprint_tells_keys_apart(self):
        assert fingerprint(b"a" * 32) != fingerprint(b"b" * 32)
        assert len(fingerprint(b"a" * 32)) == 16


class TestReplaceMasterKey:
    def test_the_old_one_is_kept_among_the_earlier_ones(self, settings):
        first = keys.master_key(settings)
        keys.replace_master_key(settings)
        second = keys.master_key(settings)
        keys.replace_master_key(settings)

        assert keys.previous_master_keys(settings) == [second, first]
        assert keys.previous_master_keys_path(settings).stat().st_mode & 0o777 == 0o600
        assert sorted(path.name for path in settings.data_dir.iterdir()) == [
            "master.key",
            "previous-master.keys",
        ]

    @pytest.mark.parametrize("name", ["master_key", "previous_master_keys"])
    def test_keys_of_the_environment_are_not_touched(self, settings, name):
        key = base64.b64encode(b"k" * 32).decode()
        given = load(data_dir=settings.data_dir, **{name: key})

        with pytest.raises(KeyUnusable, match="STEPIQ_MASTER_KEY"):
            keys.replace_master_key(given)

        assert not settings.data_dir.exists()

    def test_a_folder_that_cannot_be_written_to_is_named(self, settings, monkeypatch):
        keys.master_key(settings)

        def refuse(*_):
            raise OSError(30, "Read-only file system")

        with monkeypatch.context() as patch:
            patch.setattr(os, "open", refuse)
            with pytest.raises(KeyUnusable, match=r"previous-master.keys cannot be written: Read"):
                keys.replace_master_key(settings)


class TestPreviousMasterKeys:
    def test_there_may_be_none(self, settings):
        assert keys.previous_master_keys(settings) == []

    def test_several_are_separated_by_commas(self, settings):
        written = ", ".join(base64.b64encode(key * 32).decode() for key in (b"a", b"b"))
        given = load(data_dir=settings.data_dir, previous_master_keys=written)

        assert keys.previous_master_keys(given) == [b"a" * 32, b"b" * 32]

    def test_one_that_is_none_is_refused_without_showing_it(self, settings):
        given = load(data_dir=settings.data_dir, previous_master_keys="c2hvcnQ=")

        with pytest.raises(KeyUnusable, match="STEPIQ_PREVIOUS_MASTER_KEYS") as refused:
            keys.previous_master_keys(given)

        assert "c2hvcnQ" not in refused.value.message
