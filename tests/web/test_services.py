from pathlib import Path
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI
from httpx import ASGITransport, AsyncClient

from stepiq.web.services import AppKey

pytestmark = pytest.mark.one_store

SOURCE = Path(__file__).parents[2] / "src" / "stepiq"


class TestAppKey:
    async def test_an_endpoint_gets_the_object_of_its_app(self):
        key = AppKey[str]("greeting")
        apps = [FastAPI(), FastAPI()]
        for number, app in enumerate(apps):
            key.set(app, f"hello {number}")

            @app.get("/")
            async def greet(greeting: Annotated[str, Depends(key)]) -> str:
                return greeting

        answers = []
        for app in apps:
            async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
                answers.append((await client.get("/")).json())

        assert answers == ["hello 0", "hello 1"]

    def test_nothing_else_reads_the_state_of_an_app(self):
        users = [
            path.relative_to(SOURCE).as_posix()
            for path in SOURCE.rglob("*.py")
            if "app.state" in path.read_text(encoding="utf-8")
        ]

        assert users == ["web/services.py"]
