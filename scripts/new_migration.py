"""Write the next migration from the difference between `store.tables` and the history.

Usage: python scripts/new_migration.py "what changes"
"""

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy.engine import make_url

from stepiq.core import clock
from stepiq.store import migrate
from stepiq.store.connections import engines

with tempfile.TemporaryDirectory() as folder:
    url = make_url(f"sqlite:///{Path(folder) / 'history.db'}")
    migrate.upgrade(url)
    engine = engines.create(url)
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    config.set_main_option("file_template", "%%(year)d%%(month).2d%%(day).2d_%%(rev)s_%%(slug)s")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        revision = clock.now().strftime("%Y%m%d%H%M")
        command.revision(config, sys.argv[1], autogenerate=True, rev_id=revision)
