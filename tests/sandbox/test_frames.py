import asyncio
import socket
import threading

import pytest

from stepiq.sandbox import frames
from stepiq.sandbox.frames import BrokenFrame


def reader_of(data: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return reader


class TestRead:
    async def test_frames_come_one_by_one(self):
        reader = reader_of(frames.pack(frames.STARTED) + frames.pack(frames.LINES, b"hello"))

        assert await frames.read(reader, 100) == (frames.STARTED, b"")
        assert await frames.read(reader, 100) == (frames.LINES, b"hello")

    async def test_one_that_is_too_long_is_refused_before_it_is_read(self):
        with pytest.raises(BrokenFrame):
            await frames.read(reader_of(frames.pack(frames.LINES, b"x" * 101)[:10]), 100)

    async def test_half_a_frame_is_an_end(self):
        with pytest.raises(asyncio.IncompleteReadError):
            await frames.read(reader_of(frames.pack(frames.LINES, b"hello")[:-1]), 100)


class TestReadBlocking:
    def test_a_long_frame_is_put_together(self):
        ours, theirs = socket.socketpair()
        payload = b"x" * 3_000_000
        with ours, theirs:
            sender = threading.Thread(
                target=ours.sendall, args=[frames.pack(frames.INPUT, payload)]
            )
            sender.start()
            kind, received = frames.read_blocking(theirs)
            sender.join()

        assert kind == frames.INPUT
        assert received == payload

    def test_the_other_sides_end_is_told(self):
        ours, theirs = socket.socketpair()
        with theirs:
            with ours:
                ours.sendall(frames.pack(frames.JOB, b"hello")[:-1])

            with pytest.raises(BrokenFrame):
                frames.read_blocking(theirs)
