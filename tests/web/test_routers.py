import threading
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from fastapi import FastAPI, Request
from fastapi.routing import _IncludedRouter

from stepiq.web import bodies
from stepiq.web.bodies import StrictRoute, View
from stepiq.web.routing import PREFIX, ApiRouter, methods_at


def router_of(*paths: str) -> ApiRouter:
    """A router whose routes answer with the path by which they were added."""
    router = ApiRouter()

    def add(path: str) -> None:
        @router.get(path)
        async def found() -> str:
            return path

    for path in paths:
        add(path)
    return router


def app_of(*routers: ApiRouter) -> FastAPI:
    app = FastAPI()
    for router in routers:
        app.include_router(router, prefix=PREFIX)
    return app


def client_of(app: FastAPI) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1")


def prepared(app: FastAPI) -> list[bool]:
    """For each router, whether FastAPI has prepared its routes."""
    included = (each for each in app.routes if isinstance(each, _IncludedRouter))
    return [bool(each._effective_candidates) for each in included]


class TestApiRouter:
    @pytest.mark.parametrize(
        ("path", "found"),
        [
            ("/api/cats", "/cats"),
            ("/api/cats/1", "/cats/{cat_id}"),
            ("/api/birds/1/eggs", "/birds/{bird_id}/eggs"),
            ("/api/dogs", "/dogs"),
        ],
    )
    async def test_a_request_finds_its_route_in_any_router(self, path, found):
        app = app_of(
            router_of("/cats", "/birds/{bird_id}/eggs"), router_of("/cats/{cat_id}", "/dogs")
        )
        async with client_of(app) as client:
            assert (await client.get(path)).json() == found

    @pytest.mark.parametrize("path", ["/api/catsanddogs", "/api/", "/api", "/cat", "/"])
    async def test_what_no_route_begins_like_is_not_found(self, path):
        async with client_of(app_of(router_of("/cats"), router_of("/dogs"))) as client:
            assert (await client.get(path)).status_code == 404

    async def test_another_method_is_not_allowed(self):
        async with client_of(app_of(router_of("/cats"), router_of("/cats/{cat_id}"))) as client:
            assert (await client.post("/api/cats/1")).status_code == 405

    async def test_only_the_routes_of_the_resource_are_prepared(self):
        app = app_of(router_of("/cats"), router_of("/dogs"))
        async with client_of(app) as client:
            await client.get("/api/dogs")

        assert prepared(app) == [False, True]

    async def test_so_are_those_of_a_path_with_another_method(self):
        app = app_of(router_of("/cats"), router_of("/dogs/{dog_id}"), router_of("/dogs"))
        scope = {"type": "http", "method": "PUT", "path": "/api/dogs", "root_path": "", "app": app}

        assert methods_at(Request(scope)) == ["GET", "HEAD"]
        assert prepared(app) == [False, True, True]

    async def test_a_path_that_begins_with_a_parameter_is_refused(self):
        async with client_of(app_of(router_of("/{name}"))) as client:
            with pytest.raises(ValueError, match="constant segment"):
                await client.get("/api/cats")


class Found(View):
    """What the route of these tests returns."""

    number: int


def declared() -> StrictRoute:
    things = bodies.router("Things")

    @things.get("/things")
    async def list_things() -> Found:
        return Found(number=1)

    (route,) = things.routes
    assert isinstance(route, StrictRoute)
    return route


class TestStrictRoute:
    def test_it_is_built_when_it_is_first_used(self):
        route = declared()
        before = dict(vars(route))

        assert route.methods == {"GET"}

        assert "dependant" not in before
        assert "dependant" in vars(route)

    def test_threads_can_use_it_for_the_first_time_together(self):
        for _ in range(20):
            route, ready = declared(), threading.Barrier(4)

            def read(route: StrictRoute = route, ready: threading.Barrier = ready) -> object:
                ready.wait()
                return route.response_field

            with ThreadPoolExecutor(4) as pool:
                found = [each.result() for each in [pool.submit(read) for _ in range(4)]]

            assert set(map(id, found)) == {id(route.response_field)}

    def test_other_attributes_do_not_exist(self):
        with pytest.raises(AttributeError, match="nothing"):
            _ = declared().nothing
