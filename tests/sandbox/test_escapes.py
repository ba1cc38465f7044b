"""What code tries in order to get out. None of it may give anything but an error, or the harmless value named here."""

import pytest

from stepiq.core.json import Json
from stepiq.sandbox.conversation import CodeFailed, Ran
from tests.sandbox.conftest import Code

PYTHON_FAILS = [
    "open('/etc/passwd').read()",
    "open('/tmp/out', 'w').write('x')",
    "open(0).read()",
    "open('/proc/self/environ').read()",
    "__import__('os').system('id')",
    "__import__('subprocess')",
    "__builtins__",
    "globals()",
    "locals()['__builtins__']",
    "vars()",
    "dir()",
    "eval('__import__(\"os\")')",
    "exec('import socket')",
    "eval('open(\"/etc/passwd\")')",
    "compile('1', 'x', 'eval')",
    "breakpoint()",
    "input('x')",
    "help()",
    "exit(1)",
    "().__class__",
    "().__class__.__mro__[1].__subclasses__()",
    "''.__class__.__base__",
    "getattr((), '__class__')",
    "getattr(str, '__subclasses__')()",
    "type('X', (object,), {})",
    "type(main).__globals__",
    "main.__globals__",
    "main.__code__",
    "main.__closure__[0].cell_contents",
    "main.__builtins__",
    "(lambda: 0).__code__.co_consts",
    "'{0.__class__}'.format(1)",
    "'{0.__globals__}'.format(main)",
    "print.__self__",
    "len.__module__.__class__",
    "object.__subclasses__()",
]

PYTHON_BLOCKS_FAIL = [
    "import os; return os.environ['PATH']",
    "import os; return os.environ.get('HOME')",
    "import os; return os.getenv('PATH')",
    "import os; return os.listdir('/')",
    "import os; return os.system('id')",
    "import os; return os.fork()",
    "import os; return os.kill(1, 9)",
    "import os; os.remove('/tmp/x')",
    "import os; return os.path.exists('/etc/passwd')",
    "import os; return os.urandom(8)",
    "import os; return os.sys",
    "import sys; return sys.modules",
    "import sys; return sys._getframe()",
    "import sys; return sys.path",
    "import sys; return sys.exit(3)",
    "import pathlib; return pathlib.Path('/etc/passwd').read_text()",
    "import pathlib; return [str(p) for p in pathlib.Path('/').iterdir()]",
    "import pathlib; pathlib.Path('/tmp/x').write_text('x')",
    "import pathlib; return pathlib.Path('/etc/passwd').exists()",
    "import asyncio; return asyncio.create_subprocess_exec('id')",
    "import asyncio; return asyncio.open_connection('127.0.0.1', 80)",
    "import json; return json.decoder.scanner.re.sys.modules",
    "import typing; return typing.sys",
    "import functools; return functools.reduce.__globals__",
    "import csv; return csv.reader(open('/etc/passwd'))",
    "import tomllib; return tomllib.load(open('/etc/passwd', 'rb'))",
    "try:\n    1 / 0\n  except Exception as error:\n    return error.__traceback__.tb_frame.f_globals",
    "async def f(): pass\n  return f().cr_frame.f_globals",
    "return (x for x in [1]).gi_frame",
]

PYTHON_MODULES = [
    "ast", "builtins", "ctypes", "code", "codecs", "concurrent.futures", "dis", "faulthandler", "fcntl", "gc", "glob",
    "http.client", "imp", "importlib", "inspect", "io", "logging", "marshal", "mmap", "multiprocessing", "operator",
    "pickle", "platform", "posix", "pydantic_monty", "resource", "runpy", "select", "shelve", "shutil", "signal",
    "site", "socket", "sqlite3", "ssl", "stepiq", "subprocess", "sysconfig", "tempfile", "threading", "traceback",
    "types", "urllib.request", "weakref", "zipimport", "_io", "_posixsubprocess", "_thread",
]  # fmt: skip

JAVASCRIPT_FAILS = [
    "require('fs')",
    "process.env",
    "std.open('/etc/passwd', 'r')",
    "os.exec(['id'])",
    "import('os')",
    "import('std')",
    "import('fs')",
    "import('/etc/passwd')",
    "import('file:///etc/passwd')",
    "import.meta",
    "import('data:text/javascript,export default 1')",
    "fetch('http://127.0.0.1/')",
    "new XMLHttpRequest()",
    "new WebSocket('ws://127.0.0.1/')",
    "new Worker('x')",
    "WebAssembly.compile(new Uint8Array(8))",
    "new SharedArrayBuffer(8)",
    "Atomics.wait(new Int32Array(8), 0, 0, 100)",
    "performance.now()",
    "setTimeout(() => 0, 1)",
    "setInterval(() => 0, 1)",
    "queueMicrotask.caller",
    "scriptArgs",
    "loadScript('/etc/passwd')",
    "load('/etc/passwd')",
    "print(1)",
    "gc()",
    "__stepiq_print('x')",
    "Deno.readTextFileSync('/etc/passwd')",
    "Bun.file('/etc/passwd')",
    "navigator.userAgent",
    "document.cookie",
    "arguments.callee.caller.caller",
    "new Function('return process')().env",
    "[].constructor.constructor('return process')().env",
    "(() => {}).constructor('return require')()('fs')",
    "(async () => {}).constructor('return import(\"os\")')()",
    "Object.getPrototypeOf(function* () {}).constructor('return process.env')().next().value",
    "Reflect.construct(Function, ['return std'])().getenviron()",
    "eval('process.env')",
    "(0, eval)('os.getcwd()')",
    "console.log.constructor('return process')().env",
    "console.log.caller",
    "Error.prepareStackTrace = (_, frames) => frames.map((frame) => frame.getThis().process.env); new Error().stack()",
]

JAVASCRIPT_HARMLESS = [
    # The function behind the console is out of reach, and so is what calls `main`.
    ("Reflect.ownKeys(globalThis).filter((name) => typeof name === 'string' && /stepiq/.test(name))", []),
    ("Object.getOwnPropertyNames(console)", ["log", "debug", "info", "warn", "error"]),
    ("typeof main.caller", "undefined"),
    ("(function () { return this })() === globalThis", True),
    # The clock stands still.
    ("(() => { const t = Date.now(); for (let i = 0; i < 1e6; i++); return Date.now() - t })()", 0),
    ("(() => { const t = new Date(); for (let i = 0; i < 1e6; i++); return new Date() - t })()", 0),
    ("new (class extends Date {})() - new Date()", 0),
    ("new (new Date().constructor)() - Date.now()", 0),
    ("Reflect.construct(Date, [], Object) - 0 === 0 || Date.now() - new Date(Date.now()).getTime()", 0),
    ("new (Object.getPrototypeOf(new Date()).constructor)().getTime() - Date.now()", 0),
    ("Date.prototype.constructor === Date", True),
    ("new Date(2020, 0, 1).getTimezoneOffset()", 0),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("expression", PYTHON_FAILS)
async def test_python_gets_nothing_out_of(code: Code, expression: str):
    outcome = await code.python(f"def main(input):\n  return {expression}")

    assert isinstance(outcome, CodeFailed)
    assert outcome.code == "code_error"


@pytest.mark.parametrize("block", PYTHON_BLOCKS_FAIL)
async def test_python_gets_nothing_by(code: Code, block: str):
    outcome = await code.python(f"def main(input):\n  {block}")

    assert isinstance(outcome, CodeFailed)
    assert outcome.code == "code_error"


@pytest.mark.parametrize("module", PYTHON_MODULES)
async def test_python_cannot_import(code: Code, module: str):
    outcome = await code.python(f"import {module}\ndef main(input):\n  return 1")

    assert isinstance(outcome, CodeFailed)
    assert "Line 1 of the code: ModuleNotFoundError" in outcome.message


@pytest.mark.parametrize("expression", JAVASCRIPT_FAILS)
async def test_javascript_gets_nothing_out_of(code: Code, expression: str):
    outcome = await code.javascript(f"function main(input) {{\n  return {expression}\n}}")

    assert isinstance(outcome, CodeFailed)
    assert outcome.code == "code_error"


@pytest.mark.parametrize(("expression", "value"), JAVASCRIPT_HARMLESS)
async def test_javascript_sees_only(code: Code, expression: str, value: Json):
    outcome = await code.javascript(f"function main(input) {{\n  return {expression}\n}}")

    assert outcome == Ran(value)


async def test_pythons_clock_stands_still_and_sleeping_takes_no_time(code: Code):
    outcome = await code.python(
        "import time, asyncio, datetime\n"
        "async def main(input):\n"
        "  def clocks():\n"
        "    return [time.time(), time.monotonic(), time.perf_counter(), time.process_time(),\n"
        "            str(datetime.datetime.now())]\n"
        "  before = clocks()\n"
        "  time.sleep(3600)\n"
        "  await asyncio.sleep(3600)\n"
        "  return before == clocks()",
        seconds=5,
    )

    assert outcome == Ran(True)


class TestBetweenRuns:
    async def test_python_leaves_nothing_behind(self, code: Code):
        await code.python(
            "import json\njson.leak = 1\nleak = 1\ndef main(input):\n  global other\n  other = 1"
        )

        outcome = await code.python(
            "import json\n"
            "def main(input):\n"
            "  found = []\n"
            "  for look in (lambda: leak, lambda: other, lambda: json.leak):\n"
            "    try:\n"
            "      found.append(look())\n"
            "    except (NameError, AttributeError):\n"
            "      pass\n"
            "  return found"
        )

        assert outcome == Ran([])

    async def test_javascript_leaves_nothing_behind(self, code: Code):
        await code.javascript(
            "globalThis.leak = 1; Object.prototype.leak = 1; Array.prototype.map = null;"
            " JSON.parse = () => 'mine'; function main(input) { return 1 }"
        )

        outcome = await code.javascript(
            "function main(input) { return [typeof leak, typeof ({}).leak, [1].map((x) => x), JSON.parse('2'), input] }",
            value={"a": 1},
        )

        assert outcome == Ran(["undefined", "undefined", [1], 2, {"a": 1}])
