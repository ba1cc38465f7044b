"""The filters, read as the kernel reads them, for both machines."""

import os
import platform
import re
import struct
import sys
from pathlib import Path
from threading import Thread

import pytest

from stepiq.sandbox.isolation import landlock, seccomp
from stepiq.sandbox.isolation.seccomp import NUMBERS, RUNNING, STARTING, Policy

X86_64, AARCH64 = 0, 1
ARCHITECTURES = (0xC000003E, 0xC00000B7)
ALLOWED, REFUSED, UNKNOWN, KILLED = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
HEADERS = {
    X86_64: "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
    AARCH64: "/usr/include/asm-generic/unistd.h",
}
linux = pytest.mark.skipif(seccomp.machine() is None, reason="system call filters are Linux's")
machines = pytest.mark.parametrize("machine", [X86_64, AARCH64], ids=["x86_64", "aarch64"])
policies = pytest.mark.parametrize("policy", [RUNNING, STARTING], ids=["running", "starting"])


def verdict(
    policy: Policy, machine: int, number: int, *arguments: int, architecture: int | None = None
) -> int:
    """What the program returns for a call."""
    given = [*arguments, *[0] * (6 - len(arguments))]
    architecture = ARCHITECTURES[machine] if architecture is None else architecture
    data = struct.pack("<IIQ6Q", number, architecture, 0, *given)
    program = list(struct.iter_unpack("<HBBI", seccomp.assemble(policy, machine)))
    at = value = 0
    while True:
        code, if_true, if_false, operand = program[at]
        at += 1
        match code:
            case 0x20:
                (value,) = struct.unpack_from("<I", data, operand)
            case 0x15:
                at += if_true if value == operand else if_false
            case 0x35:
                at += if_true if value >= operand else if_false
            case 0x54:
                value &= operand
            case _:
                assert code == 0x06
                return operand


def call(policy: Policy, machine: int, name: str, *arguments: int) -> int:
    number = NUMBERS[name][machine]
    assert number is not None
    return verdict(policy, machine, number, *arguments)


@machines
class TestFilters:
    @policies
    def test_a_listed_call_is_allowed_and_all_others_are_refused(
        self, machine: int, policy: Policy
    ):
        unchecked = {NUMBERS[name][machine] for name, checks in policy.items() if not checks} - {
            None
        }
        clone3 = NUMBERS["clone3"][machine]

        for number in range(600):
            expected = ALLOWED if number in unchecked else REFUSED
            if number != clone3 and number not in {
                NUMBERS[name][machine] for name, checks in policy.items() if checks
            }:
                assert verdict(policy, machine, number) == expected

    @policies
    def test_another_architecture_ends_the_process(self, machine: int, policy: Policy):
        other = ARCHITECTURES[1 - machine]

        assert verdict(policy, machine, 0, architecture=other) == KILLED

    @policies
    def test_the_calls_of_x32_do_not_exist(self, machine: int, policy: Policy):
        assert verdict(policy, machine, 0x40000000) == UNKNOWN

    @policies
    def test_only_the_own_group_can_be_signalled(self, machine: int, policy: Policy):
        assert call(policy, machine, "kill", 0, 9) == ALLOWED
        for other in (1, 12345, (1 << 64) - 1, 1 << 32):
            assert call(policy, machine, "kill", other, 9) == REFUSED

    @policies
    def test_clone3_does_not_exist_so_that_flags_can_be_read(self, machine: int, policy: Policy):
        assert call(policy, machine, "clone3") == UNKNOWN

    def test_running_code_starts_nothing(self, machine: int):
        for name in ("clone", "execve", "openat", "socketpair", "prlimit64", "fcntl", "ioctl"):
            assert call(RUNNING, machine, name) == REFUSED

    def test_an_interpreter_starts_threads_and_is_spawned(self, machine: int):
        thread, spawn, fork, namespace = 0x3D0F00, 0x4111, 17, 0x10000000 | 17

        assert call(STARTING, machine, "clone", thread) == ALLOWED
        assert call(STARTING, machine, "clone", spawn) == ALLOWED
        assert call(STARTING, machine, "clone", fork) == REFUSED
        assert call(STARTING, machine, "clone", namespace) == REFUSED

    @pytest.mark.parametrize("flags", [os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_TRUNC, os.O_APPEND])
    def test_an_interpreter_only_reads_files(self, machine: int, flags: int):
        assert call(STARTING, machine, "openat", 0, 0, os.O_RDONLY | 0o2000000) == ALLOWED
        assert call(STARTING, machine, "openat", 0, 0, flags) == REFUSED

    def test_an_interpreter_reads_limits_and_sets_none(self, machine: int):
        assert call(STARTING, machine, "prlimit64", 0, 3, 0) == ALLOWED
        assert call(STARTING, machine, "prlimit64", 0, 3, 0x7F00_0000_0000) == REFUSED
        assert call(STARTING, machine, "prlimit64", 0, 3, 0x1000) == REFUSED

    def test_the_numbers_are_those_of_the_kernel(self, machine: int):
        header = Path(HEADERS[machine])
        if not header.exists():
            pytest.skip(f"{header} is not installed (Debian: linux-libc-dev).")
        found = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", header.read_text()))
        if machine == AARCH64:
            found["newfstatat"] = found.pop("fstatat")

        known = {name: numbers[machine] for name, numbers in NUMBERS.items()}
        assert {name: found.get(name) for name in known} == {
            name: None if number is None else str(number) for name, number in known.items()
        }


class TestMachine:
    @pytest.mark.parametrize(
        ("name", "column"), [("x86_64", 0), ("aarch64", 1), ("arm64", 1), ("riscv64", None)]
    )
    def test_its_numbers_are_known_or_it_has_no_filter(
        self, monkeypatch: pytest.MonkeyPatch, name: str, column: int | None
    ):
        monkeypatch.setattr(sys, "platform", "linux")
        monkeypatch.setattr(platform, "machine", lambda: name)

        assert seccomp.machine() == column

    def test_another_system_has_none(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(sys, "platform", "darwin")
        seccomp.available.cache_clear()

        assert not seccomp.available()
        seccomp.install(RUNNING)
        Path(__file__).read_text()
        seccomp.available.cache_clear()


def refused_in_a_thread(prepare: object, attempt: object) -> str:
    """The name of the error; what is given up is given up by that thread only."""
    found: list[str] = []

    def run() -> None:
        prepare()  # pyright: ignore[reportCallIssue]
        try:
            attempt()  # pyright: ignore[reportCallIssue]
        except OSError as error:
            found.append(type(error).__name__)

    thread = Thread(target=run)
    thread.start()
    thread.join()
    return found[0] if found else ""


@linux
class TestInstall:
    @policies
    def test_the_thread_can_no_longer_create_a_file(self, tmp_path: Path, policy: Policy):
        error = refused_in_a_thread(
            lambda: seccomp.install(policy), lambda: (tmp_path / "x").write_text("x")
        )

        assert error == "PermissionError"
        (tmp_path / "x").write_text("x")

    def test_a_filter_that_the_system_refuses_is_an_error(self):
        def install_twice() -> None:
            seccomp.install(RUNNING)
            seccomp.install(RUNNING)

        assert refused_in_a_thread(lambda: None, install_twice) == "PermissionError"


@pytest.mark.skipif(not landlock.version(), reason="this system has no Landlock")
class TestLandlock:
    def test_only_what_is_listed_can_be_read(self, tmp_path: Path):
        (tmp_path / "in").mkdir()
        listed, other = tmp_path / "in" / "a", tmp_path / "b"
        listed.write_text("a")
        other.write_text("b")
        ruleset = landlock.ruleset([tmp_path / "in", tmp_path / "nowhere"])
        assert ruleset is not None
        read: list[str] = []

        def attempt() -> None:
            read.append(listed.read_text())
            other.read_text()

        def prepare() -> None:
            seccomp.gain_nothing()
            landlock.restrict(ruleset)

        assert refused_in_a_thread(prepare, attempt) == "PermissionError"
        assert read == ["a"]
        os.close(ruleset)

    def test_a_ruleset_that_is_none_is_an_error(self):
        with pytest.raises(OSError, match="Landlock was refused"):
            landlock.restrict(0)

    def test_a_system_without_it_has_no_ruleset(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(sys, "platform", "darwin")

        assert landlock.ruleset([]) is None
