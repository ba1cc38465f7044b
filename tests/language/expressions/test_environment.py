import sys
from types import ModuleType

import pytest

from stepiq.language.expressions.environment import new_engine

PROTOBUF = "google.protobuf.descriptor_pool"


class TestNewEngine:
    def test_it_does_not_import_protobuf(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.delitem(sys.modules, PROTOBUF, raising=False)

        new_engine()

        assert PROTOBUF not in sys.modules

    def test_imported_protobuf_stays_imported(self, monkeypatch: pytest.MonkeyPatch):
        module = ModuleType(PROTOBUF)
        monkeypatch.setitem(sys.modules, PROTOBUF, module)

        new_engine()

        assert sys.modules[PROTOBUF] is module
