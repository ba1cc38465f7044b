"""The server's side against a child that the test plays, honest or not."""

import asyncio
import gc
import socket
from contextlib import suppress

import pytest

from stepiq.sandbox import conversation, frames, limits
from stepiq.sandbox.conversation import CodeFailed, Conversation, Outcome, Ran, SpawnFailed
from stepiq.sandbox.frames import Job

JOB = Job("python", "def main(input): pass", 30, 0)
HURRIED = Job("python", "def main(input): pass", 0.2, 0)
STARTED = frames.pack(frames.STARTED)


class Child:
    """Answers with bytes of the test's choice."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.heard: list[tuple[bytes, bytes]] = []

    async def says(
        self, answer: bytes, *, stays: bool = False, job: Job = JOB
    ) -> Outcome | SpawnFailed:
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_unix_connection(sock=theirs)
        held = asyncio.ensure_future(Conversation(job, b"[1]", self.lines.append).hold(ours))
        with suppress(asyncio.IncompleteReadError):  # the server's time can be over before
            self.heard = [await frames.read(reader, 1000), await frames.read(reader, 1000)]
        writer.write(answer)
        if not stays:
            writer.close()
        outcome = await held
        writer.close()
        return outcome


@pytest.fixture
def child() -> Child:
    return Child()


class TestHold:
    async def test_the_child_is_told_job_and_input(self, child: Child):
        await child.says(b"")

        (kind, told), data = child.heard
        assert kind == frames.JOB
        assert Job.unpack(told) == JOB
        assert data == (frames.INPUT, b"[1]")

    @pytest.mark.parametrize(
        ("frame", "outcome"),
        [
            (frames.pack(frames.RESULT, b'{"a":1}'), Ran({"a": 1})),
            (frames.pack(frames.RESULT, b'"\\\\u0000"'), Ran("\\u0000")),
            (
                frames.pack(frames.ERROR, b"Line 1 of the code: Oh."),
                CodeFailed("code_error", "Line 1 of the code: Oh."),
            ),
            (frames.pack(frames.LIMIT, b"Too much."), CodeFailed("code_limit", "Too much.")),
            (frames.pack(frames.ERROR, b"\xff\0"), CodeFailed("code_error", "\ufffd\ufffd")),
        ],
    )
    async def test_the_last_frame_is_the_outcome(
        self, child: Child, frame: bytes, outcome: Outcome
    ):
        assert await child.says(STARTED + frame) == outcome

    async def test_the_reason_why_code_cannot_be_isolated_is_for_the_operator(self, child: Child):
        outcome = await child.says(frames.pack(frames.NOT_CONFINED, b"Landlock: refused"))

        assert outcome == CodeFailed("code_limit", limits.NOT_CONFINED, "Landlock: refused")

    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b"nonsense",
            frames.pack(b"?"),
            frames.pack(frames.RESULT, b"x" * (limits.MAX_OUTPUT_BYTES + 1)),
            frames.pack(frames.LINES, b"half")[:-1],
        ],
    )
    async def test_a_child_that_ends_or_lies_fails_the_run(self, child: Child, answer: bytes):
        assert await child.says(STARTED + answer) == CodeFailed("code_limit", limits.DIED)

    @pytest.mark.parametrize(
        "text",
        [
            b"", b"[1", b"NaN", b"1e999", b'"\\ud800"', b'"\\u0000"', b"1" * 401, b"[" * 101 + b"]" * 101,
            b'{"a":1,"a":2}', b"[" * 300 + b"]" * 300, b'{"%b":1,"%b":2}' % (b"a" * 5_000, b"a" * 5_000), b"\xff",
        ],
    )  # fmt: skip
    async def test_a_result_that_cannot_be_stored_is_an_error(self, child: Child, text: bytes):
        outcome = await child.says(STARTED + frames.pack(frames.RESULT, text))

        assert isinstance(outcome, CodeFailed)
        assert outcome.code == "code_error"
        assert outcome.message.startswith("The result of `main` cannot be stored. ")
        assert len(outcome.message) <= limits.MAX_MESSAGE_CHARACTERS

    async def test_a_process_that_collects_no_garbage_is_left_so(self, child: Child):
        collected = gc.isenabled()
        gc.disable()
        try:
            await child.says(STARTED + frames.pack(frames.RESULT, b"[[],[]]"))

            assert not gc.isenabled()
        finally:
            if collected:
                gc.enable()

    async def test_a_child_that_ends_before_it_starts_has_not_run_anything(self, child: Child):
        assert await child.says(b"") is SpawnFailed.GONE

    async def test_a_child_that_goes_on_after_its_time_is_not_waited_for(self, child: Child):
        outcome = await child.says(STARTED, stays=True, job=HURRIED)

        assert outcome == CodeFailed("code_limit", limits.too_long(0.2))

    async def test_a_child_that_says_nothing_is_told_apart(
        self, child: Child, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(conversation, "START_SECONDS", 0.1)

        assert await child.says(b"", stays=True) is SpawnFailed.SILENT

    async def test_a_connection_that_is_none_is_given_back(self):
        ours, theirs = socket.socketpair()
        theirs.close()
        wrong = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        ours.close()

        with pytest.raises(ValueError, match="Stream Socket was expected"):
            await Conversation(JOB, b"1", print).hold(wrong)

        assert wrong.fileno() == -1


class TestLog:
    async def test_lines_are_taken_apart(self, child: Child):
        await child.says(STARTED + frames.pack(frames.LINES, b"a\n\nb") + frames.pack(frames.LINES))

        assert child.lines == ["a", "", "b", ""]

    async def test_what_cannot_be_kept_in_a_text_is_replaced(self, child: Child):
        await child.says(STARTED + frames.pack(frames.LINES, b"a\0b\xff"))

        assert child.lines == ["a\ufffdb\ufffd"]

    async def test_a_child_that_does_not_keep_to_the_limit_is_cut_off(self, child: Child):
        await child.says(STARTED + frames.pack(frames.LINES, b"x" * 999) * 1_000)

        assert sum(map(len, child.lines)) <= limits.MAX_LOG_BYTES + 200

    async def test_many_lines_leave_others_their_turn(self, child: Child):
        turns = 0

        async def take_turns() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(take_turns())
        await child.says(STARTED + frames.pack(frames.LINES, b"\n" * 60_000))
        other.cancel()

        assert turns > 100
