"""openapi.json: the API's document, made from the app without starting anything."""

import json
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from fastapi import FastAPI

from stepiq.billing.plans import Plans
from stepiq.core.http import guarded_client
from stepiq.core.mail import Mailer
from stepiq.core.settings import Settings
from stepiq.engine.providers.registry import Providers
from stepiq.engine.runtime import Engine
from stepiq.server.app import create_app
from stepiq.store.changes import LocalChanges
from stepiq.store.database import Database
from stepiq.web.services import Services


def document() -> str:
    """The document as text."""
    with unstarted_app() as app:
        return json.dumps(app.openapi(), ensure_ascii=False, indent=2) + "\n"


@contextmanager
def unstarted_app() -> Generator[FastAPI]:
    """The app with all of its routes, which answers nothing."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder))
        database, changes, providers = Database(settings), LocalChanges(), Providers(settings)
        mailer, plans, http = Mailer(settings), Plans.load({}), guarded_client(settings)
        engine = Engine(database, changes, providers, plans)
        services = Services(settings, database, changes, providers, engine, mailer, plans, http)
        yield create_app(services)
