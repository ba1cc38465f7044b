"""The page of a run: live, failed, retried, large, and with outputs that try to do harm."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, Route, expect

from tests.support.fake_provider import RunningFakeProvider
from tests.support.ports import free_port
from tests.support.process import ServerProcess, proof_of_operator, running_server
from tests.ui.kept_context import KeptContext
from tests.ui.run_rows import insert_run
from tests.ui.support import (
    PASSWORD,
    PageProblems,
    Person,
    assert_accessible_in_both_themes,
    open_context,
    open_session,
)
from tests.ui.test_reviews import Reviews

pytestmark = pytest.mark.one_store

MAX_MOUNTED = 60

ASK = """\
name: Asking
steps:
  - {id: ask, name: Ask the model, model: openai/gpt-4o-mini, prompt: "Say hello"}
  - {id: shown, type: transform, template: "{{steps.ask.output}}!"}
"""
FAILS = """\
name: Failing
input:
  schema:
    amount: {type: string, required: true}
steps:
  - {id: first, model: openai/gpt-4o-mini, prompt: "First"}
  - id: broken
    type: transform
    set: {sum: int(input.amount) + 1}
"""


def tree(page: Page) -> Locator:
    return page.get_by_role("tree", name="Steps")


def item(page: Page, name: str) -> Locator:
    return tree(page).get_by_role("treeitem", name=re.compile(name))


def status(page: Page) -> Locator:
    return page.get_by_role("status", name="Status of the run")


async def started(api: httpx2.AsyncClient, text: str, data: object = None) -> str:
    """Create a pipeline and start a run of it. Returns the id of the run."""
    pipeline_id = await created(api, text)
    response = await api.post(f"/api/pipelines/{pipeline_id}/run", json={"input_data": data or {}})
    assert response.status_code == 202, response.text
    return str(response.json()["id"])


async def created(api: httpx2.AsyncClient, text: str) -> str:
    headers = {"Content-Type": "application/yaml"}
    response = await api.post("/api/pipelines", content=text.encode(), headers=headers)
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


@pytest.fixture
def provider(fake_provider: RunningFakeProvider):
    yield fake_provider
    fake_provider.reset()


async def test_a_live_run_is_seen_to_its_end(
    page: Page, person: Person, api: httpx2.AsyncClient, provider: RunningFakeProvider
):
    provider.configure(text=("word " * 40).strip(), token_ms=60)
    await open_session(page, person)
    with provider.holding() as allow:
        run_id = await started(api, ASK)
        await page.goto(f"/runs/{run_id}?step=ask")
        await expect(item(page, "^running Ask the model ask")).to_be_visible()
        allow(30)
        answer = page.get_by_role("region", name="Answer")
        await expect(answer).to_contain_text("word word word")
        await expect(status(page)).to_have_text("Running")

    await expect(status(page)).to_have_text("Completed")
    await expect(item(page, "^completed Ask the model ask")).to_have_attribute("aria-level", "1")
    await expect(item(page, "^completed shown")).to_be_visible()
    await expect(page.get_by_role("tabpanel", name="Answer")).to_contain_text("word word")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("tabpanel", name="Output")).to_contain_text("word!")


async def test_a_page_that_opens_during_an_answer_says_that_text_may_be_missing(
    page: Page, person: Person, api: httpx2.AsyncClient, provider: RunningFakeProvider
):
    provider.configure(text=("word " * 40).strip(), token_ms=1)
    await open_session(page, person)
    note = page.get_by_text("Text that was sent while this page was not connected may be missing.")
    answer = page.get_by_role("region", name="Answer")
    with provider.holding() as allow:
        run_id = await started(api, ASK)
        await page.goto(f"/runs/{run_id}?step=ask")
        await expect(page.get_by_role("status", name="Connection")).to_have_text("Live")
        await expect(item(page, "^running Ask the model ask")).to_be_visible()
        allow(10)
        await expect(answer).to_contain_text("word word word")
        await expect(note).to_have_count(0)

        await page.reload()
        await expect(page.get_by_role("status", name="Connection")).to_have_text("Live")
        allow(20)

        await expect(note).to_be_visible()
    await expect(status(page)).to_have_text("Completed")
    await expect(note).to_have_count(0)


async def test_a_failed_step_is_found_and_retried_with_another_input(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await open_session(page, person)
    run_id = await started(api, FAILS, {"amount": "many"})
    await page.goto(f"/runs/{run_id}")
    await expect(status(page)).to_have_text("Failed")
    await expect(item(page, "^failed broken")).to_be_visible()

    await page.keyboard.press("f")
    await expect(page).to_have_url(re.compile("step=broken"))
    details = page.get_by_role("region", name="Step broken")
    await expect(details.get_by_role("link", name="expression_error")).to_be_visible()
    await expect(details.get_by_role("figure", name="Line 7 of the definition")).to_be_visible()
    await page.get_by_role("button", name="Retry…").click()

    dialog = page.get_by_role("dialog", name="Retry the run")
    await expect(dialog).to_contain_text("1 execution is reused")
    await expect(dialog).to_contain_text("Executed again: broken")
    await dialog.get_by_text("JSON", exact=True).click()
    await dialog.get_by_label("Input").fill('{"amount": 3}')
    await expect(dialog).to_contain_text("amount: This must be a text.")
    await expect(dialog.get_by_role("button", name="Retry", exact=True)).to_be_disabled()
    await dialog.get_by_label("Input").fill('{"amount": "2"}')
    await dialog.get_by_text("Form", exact=True).click()
    await dialog.get_by_label("amount").fill("3")
    await dialog.get_by_role("button", name="Retry", exact=True).click()

    await expect(page).not_to_have_url(re.compile(run_id))
    await expect(status(page)).to_have_text("Completed")
    await expect(item(page, "^completed first")).to_contain_text("reused")
    await expect(page.get_by_role("main")).to_contain_text("1 step reused")


async def test_a_run_that_began_to_wait_while_the_page_loaded_is_shown_as_waiting(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    text = "name: Asks\nsteps: [{id: check, type: human_review, message: Right?}]\n"
    pipeline_id = await created(api, text)
    run_id = await Reviews(api).ask(pipeline_id, {})
    requests: list[str] = []

    async def answer_the_first_as_before(route: Route) -> None:
        requests.append(route.request.url)
        old = {"status": "running"} if len(requests) == 1 else {}
        response = await route.fetch()
        await route.fulfill(response=response, json=await response.json() | old)

    await page.route(re.compile(rf"/api/runs/{run_id}\?steps=false"), answer_the_first_as_before)
    await open_session(page, person)
    await page.goto(f"/runs/{run_id}")

    await expect(status(page)).to_have_text("Waiting")
    assert len(requests) > 1


async def test_a_reload_restores_what_was_open(
    page: Page, person: Person, api: httpx2.AsyncClient, provider: RunningFakeProvider
):
    provider.configure(failures=[503])
    await open_session(page, person)
    await page.goto(f"/runs/{await started(api, ASK)}")
    await expect(status(page)).to_have_text("Completed")
    await page.get_by_role("tab", name="Events").click()
    await expect(page.get_by_role("table", name="Events")).to_contain_text("step.log")
    await tree(page).focus()
    await page.keyboard.press("Home")
    details = page.get_by_role("region", name="Step ask")
    await details.get_by_role("tab", name="Usage").click()
    await details.get_by_text("Attempt 1", exact=True).click()
    await expect(page).to_have_url(re.compile("attempt=1"))

    await page.reload()

    await expect(item(page, " ask ")).to_have_attribute("aria-selected", "true")
    await expect(details.get_by_role("tab", name="Usage")).to_have_attribute(
        "aria-selected", "true"
    )
    await expect(details.get_by_role("radio", name="Attempt 1")).to_be_checked()
    await details.get_by_role("tab", name="Logs").click()
    await expect(details.get_by_role("list", name="Log lines")).to_contain_text("Attempt 1 failed")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("table", name="Events")).to_contain_text("step.log")


async def test_the_keys_of_the_tree_move_and_fold_it(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    text = (
        "name: Items\nsteps:\n  - id: each\n    type: parallel\n    for_each: '[1, 2]'\n"
        "    steps: [{id: double, type: transform, set: {twice: item * 2}}]\n"
    )
    await open_session(page, person)
    await page.goto(f"/runs/{await started(api, text)}")
    await expect(item(page, "^completed double #1")).to_be_visible()
    await expect(status(page)).to_have_text("Completed")

    await page.keyboard.press("w")
    await expect(item(page, " double #")).to_have_count(0)
    await expect(item(page, " each ")).to_contain_text("2 inside")
    await page.keyboard.press("j")
    await expect(item(page, " each ")).to_have_attribute("aria-selected", "true")
    await tree(page).focus()
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("ArrowRight")
    await expect(item(page, " double #0")).to_have_attribute("aria-selected", "true")
    await page.keyboard.press("ArrowLeft")
    await expect(item(page, " each ")).to_have_attribute("aria-selected", "true")


async def test_keys_open_the_runs_before_and_after(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    pipeline_id = await created(api, FAILS)
    ids = [
        (
            await api.post(f"/api/pipelines/{pipeline_id}/run?wait=20", json={"input_data": data})
        ).json()["id"]
        for data in [{"amount": "1"}, {"amount": "2"}, {"amount": "3"}]
    ]
    await open_session(page, person)
    sums = page.get_by_role("tree", name="Output").get_by_role("treeitem", name="sum")
    await page.goto(f"/runs/{ids[1]}")
    await expect(sums).to_contain_text("3")

    # The address changes before the page, so wait for the page.
    for key, number, output in (("[", 0, "2"), ("]", 1, "3"), ("]", 2, "4")):
        await page.keyboard.press(key)
        await expect(page).to_have_url(re.compile(ids[number]))
        await expect(sums).to_contain_text(output)


async def test_the_page_is_accessible(page: Page, person: Person, api: httpx2.AsyncClient):
    await open_session(page, person)
    await page.goto(f"/runs/{await started(api, FAILS, {'amount': 'many'})}?step=broken")
    await expect(status(page)).to_have_text("Failed")
    await expect(page.get_by_role("button", name="Fork…")).to_be_visible()
    await expect(page.get_by_role("figure", name="Line 7 of the definition")).to_be_visible()

    await assert_accessible_in_both_themes(page)


@dataclass
class OwnServer:
    """A server of these tests only, which they can stop, with a page whose person is signed in."""

    process: ServerProcess
    api: httpx2.AsyncClient
    page: Page
    problems: PageProblems


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def process(
    tmp_path_factory: pytest.TempPathFactory, fake_provider: RunningFakeProvider
) -> AsyncIterator[ServerProcess]:
    folder: Path = tmp_path_factory.mktemp("run-server")
    models = {"OPENAI_API_KEY": "sk-fake", "OPENAI_BASE_URL": fake_provider.url}
    async with running_server(folder, free_port(), models) as process:
        yield process


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own_context(process: ServerProcess, browser: Browser) -> AsyncIterator[KeptContext]:
    kept = KeptContext(partial(open_context, browser, process.url), process.url)
    yield kept
    await kept.close()


@pytest_asyncio.fixture(loop_scope="session")
async def own(process: ServerProcess, own_context: KeptContext) -> AsyncIterator[OwnServer]:
    login = {"email": "owner@example.com", "password": PASSWORD}
    async with httpx2.AsyncClient(base_url=process.url, timeout=60) as api:
        response = await api.post("/api/auth/login", json=login)
        if response.status_code != 200:
            proof = proof_of_operator(process.data)
            response = await api.post("/api/auth/register", json=login | proof)
        api.headers["Authorization"] = f"Bearer {response.json()['token']}"
        problems = PageProblems(process.url)
        async with own_context.lent(problems) as context:
            page = await context.new_page()
            await open_session(page, Person(login["email"], PASSWORD, ""))
            yield OwnServer(process, api, page, problems)


async def test_a_restart_of_the_server_leaves_no_gap_and_no_error(
    own: OwnServer, provider: RunningFakeProvider
):
    # The browser logs each request that found no server.
    own.problems.expect("Failed to load resource")
    provider.configure(text="word " * 50, token_ms=100)
    page = own.page
    with provider.holding() as allow:
        run_id = await started(own.api, ASK)
        await page.goto(f"/runs/{run_id}?step=ask&panel=events")
        await expect(item(page, "^running Ask the model ask")).to_be_visible()
        await expect(page.get_by_role("status", name="Connection")).to_have_text("Live")
        allow(40)
        await expect(page.get_by_role("region", name="Answer")).to_contain_text("word word")

        await own.process.kill()
        await expect(page.get_by_role("status", name="Connection")).to_have_text("Reconnecting")
    provider.configure(text="again " * 5, token_ms=1)
    await own.process.start()

    await expect(status(page)).to_have_text("Completed")
    await expect(item(page, "^completed Ask the model ask")).to_be_visible()
    await expect(page.get_by_role("tabpanel", name="Answer")).to_contain_text("again again")
    await expect(page.get_by_role("alert")).to_have_count(0)
    await page.keyboard.press("Escape")
    recorded = (await own.api.get(f"/api/runs/{run_id}/events")).json()["data"]
    rows = page.get_by_role("table", name="Events").locator("tr[data-row]")
    await expect(rows).to_have_count(len(recorded))
    assert [await row.get_attribute("data-row") for row in await rows.all()] == [
        str(number) for number in range(1, len(recorded) + 1)
    ]


async def test_of_10_000_steps_only_those_on_the_screen_are_mounted(own: OwnServer):
    pipeline_id = await created(own.api, ASK)
    inside = [{"step_id": "each", "branch": str(index)} for index in range(9_999)]
    steps = [{"step_id": "all", "type": "parallel"}, *inside]
    run_id = insert_run(own.process.data, pipeline_id, steps)
    page = own.page

    await page.goto(f"/runs/{run_id}")
    await expect(item(page, "^completed all")).to_contain_text("9,999 inside")
    await expect(tree(page).get_by_role("treeitem")).to_have_count(1)
    await page.keyboard.press("e")
    await expect(item(page, " each #5 ")).to_be_visible()
    assert await tree(page).get_by_role("treeitem").count() <= MAX_MOUNTED

    await tree(page).focus()
    await page.keyboard.press("End")
    await expect(item(page, " each #9998 ")).to_have_attribute("aria-selected", "true")
    await expect(page).to_have_url(re.compile("branch=.*9998"))
    assert await tree(page).get_by_role("treeitem").count() <= MAX_MOUNTED
    await page.reload()
    await expect(item(page, " each #9998 ")).to_be_visible()
    assert await tree(page).get_by_role("treeitem").count() <= MAX_MOUNTED


HOSTILE = """\
<script>window.harmed = 1</script><img src=x onerror="window.harmed = 1"><style>body {display: none}</style>

![a picture](https://evil.example/x.png?leak=1) [click](javascript:window.harmed=1)
\u202egnp.exe\u202c \u001b[31mred\u001b[0m <iframe srcdoc="<script>parent.harmed=1</script>"></iframe>
"""
FAILURE = {"code": "provider_error", "message": HOSTILE}


async def test_hostile_outputs_do_nothing(own: OwnServer):
    deep: object = "end"
    for _ in range(100):
        deep = {"<b>inside</b>": [deep]}
    pipeline_id = await created(own.api, ASK)
    steps = [
        {"step_id": "html", "type": "llm", "name": "<img src=x onerror=window.harmed=1>"},
        {"step_id": "line", "type": "llm", "output": "x" * 5_000_000},
        {"step_id": "deep", "output": deep},
        {"step_id": "fails", "status": "failed", "error": FAILURE},
    ]
    steps[0]["output"] = HOSTILE
    ended = {"status": "failed", "error": FAILURE | {"step_id": "fails"}, "output": None}
    run_id = insert_run(own.process.data, pipeline_id, steps, **ended)
    page = own.page

    await page.goto(f"/runs/{run_id}?step=html")
    answer = page.get_by_role("tabpanel", name="Answer")
    await expect(answer).to_contain_text("<script>window.harmed = 1</script>")
    await expect(answer).to_contain_text("Image: a picture")
    await expect(answer).to_contain_text("[U+202E]gnp.exe[U+202C] ␛[31mred")
    picture = answer.get_by_role("link")
    await expect(picture).to_have_attribute("rel", "noopener noreferrer nofollow")
    await expect(picture).to_contain_text("evil.example")
    await page.keyboard.press("j")
    text = page.get_by_role("region", name="Answer")
    await expect(text).to_contain_text("xxxxx")
    assert len(await text.inner_text()) < 100_000
    await page.keyboard.press("j")
    output = page.get_by_role("region", name="Step deep").get_by_role("tree", name="Output")
    await expect(output).to_contain_text("<b>inside</b>")
    await output.focus()
    for _ in range(120):
        await page.keyboard.press("ArrowRight")
    await expect(output.locator("[aria-level='50']")).to_be_visible()
    assert await output.get_by_role("treeitem").count() <= MAX_MOUNTED
    await page.keyboard.press("Escape")
    await tree(page).focus()
    await page.keyboard.press("End")
    failure = page.get_by_role("region", name="Step fails")
    await expect(failure).to_contain_text("[U+202E]gnp.exe[U+202C] ␛[31mred")

    main = page.get_by_role("main")
    await expect(main.locator("script, img, iframe, style, b")).to_have_count(0)
    assert await page.evaluate("() => window.harmed") is None
    await expect(tree(page)).to_be_visible()
