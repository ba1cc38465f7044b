"""The editor: what a person types is never lost, whatever ends, collides or does not answer."""

import asyncio
import re
from collections.abc import Awaitable, Callable

import httpx2
from playwright.async_api import BrowserContext, Page, Route, expect

from tests.ui.editor_pages import (
    SOURCE,
    YAML,
    draft_of,
    editor,
    expect_kept,
    open_editor,
    saved_pipeline,
    type_on_top,
)
from tests.ui.support import (
    PageProblems,
    Person,
    UiServer,
    assert_accessible,
    assert_accessible_in_both_themes,
    open_session,
)

TOPICS = """\
name: Topics
input: {schema: {topic: {type: string, required: true}}}
steps: [{id: a, type: transform, set: {x: 1}}]
"""


async def save(page: Page) -> None:
    await page.get_by_role("button", name="Save", exact=True).click()


async def text_of(api: httpx2.AsyncClient, pipeline: str) -> str:
    accepts = {"Accept": "application/yaml"}
    return (await api.get(f"/api/pipelines/{pipeline}", headers=accepts)).text


async def test_a_pipeline_is_made_from_an_example_tested_saved_and_run(page: Page, person: Person):
    await open_session(page, person)
    await page.goto("/pipelines")
    await page.get_by_role("link", name="Start with an example").click()
    await page.get_by_role("radio", name=re.compile("Order summary")).click()
    await page.get_by_role("button", name="Open in the editor").click()
    await expect(editor(page)).to_contain_text("name: Order summary")

    await type_on_top(page, "nane: Orders")
    await page.get_by_role("tab", name=re.compile("Problems")).click()
    problem = page.get_by_role("list", name="Problems").get_by_role("button")
    await expect(problem.first).to_contain_text("nane")
    await page.keyboard.press("Control+z")
    await editor(page).click()
    await page.keyboard.press("Control+Home")
    await page.keyboard.press("Control+Shift+K")
    await expect(page.get_by_text("No problems")).to_be_visible()

    await page.get_by_role("button", name="Test", exact=True).click()
    await page.get_by_role("button", name="Run the draft").click()
    result = page.get_by_role("region", name="Result")
    await expect(result.get_by_role("status", name="Test")).to_have_text("Completed")
    steps = result.get_by_role("list", name="Steps of the test").get_by_role("listitem")
    await expect(steps).to_have_count(2)
    await expect(result.get_by_label("Output", exact=True)).to_contain_text("positions")

    await save(page)
    await expect(page.get_by_text("Saved as version 1.")).to_be_visible()
    await page.get_by_role("button", name="Run", exact=True).click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_label("customer")).not_to_be_empty()
    await dialog.get_by_role("button", name="Start").click()
    await expect(page).to_have_url(re.compile(r"/runs/[0-9a-f-]{36}"))


async def test_the_input_of_the_last_run_is_named_as_such_and_can_be_cleared(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    pipeline = await saved_pipeline(api, TOPICS)
    body = {"input_data": {"topic": "rain"}}
    (await api.post(f"/api/pipelines/{pipeline}/run", json=body)).raise_for_status()
    await open_session(page, person)
    await open_editor(page, pipeline)

    await page.get_by_role("button", name="Run", exact=True).click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_text("Filled in from the last run")).to_be_visible()
    await expect(dialog.get_by_label("topic")).to_have_value("rain")
    await dialog.get_by_role("button", name="Clear").click()
    await expect(dialog.get_by_text("Filled in from the last run")).to_be_hidden()
    await dialog.get_by_role("button", name="Start").click()
    await expect(dialog.get_by_text("This field is required.")).to_be_visible()


async def test_a_required_text_that_was_cleared_is_missing(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await open_session(page, person)
    await open_editor(page, await saved_pipeline(api, TOPICS))

    await page.get_by_role("button", name="Run", exact=True).click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("topic").fill("rain")
    await dialog.get_by_label("topic").fill("")
    await dialog.get_by_role("button", name="Start").click()
    await expect(dialog.get_by_text("This field is required.")).to_be_visible()


async def test_a_run_is_opened_when_it_has_started_although_its_callers_wait_for_its_end(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    answers = "{deliver: [{type: api}]}"
    check = "[{id: check, type: human_review, message: Right?}]"
    pipeline = await saved_pipeline(api, f"name: Asking\noutput: {answers}\nsteps: {check}\n")
    await open_session(page, person)
    await open_editor(page, pipeline)

    await page.get_by_role("button", name="Run", exact=True).click()
    async with page.expect_request(re.compile("/run[^/]*$")) as start:
        await page.get_by_role("dialog").get_by_role("button", name="Start").click()
    await expect(page).to_have_url(re.compile("/runs/"))

    # The default of the API is to wait for half a minute.
    assert (await start.value).url.endswith("?wait=0")


async def test_a_problem_leads_to_its_line(page: Page, person: Person, api: httpx2.AsyncClient):
    await open_session(page, person)
    await open_editor(page, await saved_pipeline(api))

    await editor(page).click()
    await page.keyboard.press("Control+End")
    await page.keyboard.type("outputs: x\n")
    await page.get_by_role("tab", name=re.compile("Problems")).click()
    await page.get_by_role("list", name="Problems").get_by_role("button").first.click()

    await expect(editor(page)).to_be_focused()
    await expect(page.locator(".cm-activeLine")).to_contain_text("outputs: x")


async def test_a_refused_save_lists_the_problems(
    page: Page, person: Person, api: httpx2.AsyncClient, problems: PageProblems
):
    problems.expect("status of 422")
    await open_session(page, person)
    await open_editor(page, await saved_pipeline(api))
    await type_on_top(page, "outputs: x")

    await save(page)

    await expect(page.get_by_role("list", name="Problems")).to_contain_text("outputs")


async def test_on_narrow_screens_the_state_of_the_draft_has_a_line_of_its_own(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await page.set_viewport_size({"width": 390, "height": 740})
    await open_session(page, person)
    await open_editor(page, await saved_pipeline(api))
    await type_on_top(page, "description: x")
    await expect_kept(page)

    state = await page.get_by_role("status", name="Draft").bounding_box()
    button = await page.get_by_role("button", name="Save").bounding_box()

    assert state is not None
    assert button is not None
    assert state["y"] + state["height"] <= button["y"]


async def test_fields_are_completed_and_described(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await open_session(page, person)
    await open_editor(page, await saved_pipeline(api, SOURCE.rstrip() + "\n    "))

    await editor(page).click()
    await page.keyboard.press("Control+End")
    await page.keyboard.type("timeo")
    await page.get_by_role("option", name=re.compile("timeout_seconds")).click()

    await expect(editor(page)).to_contain_text("timeout_seconds: ")
    panel = page.get_by_role("tabpanel")
    await expect(panel.get_by_role("heading", name="transform")).to_be_visible()
    await expect(panel).to_contain_text("Maximum time of one attempt")


async def test_one_step_is_tested_with_the_outputs_of_an_earlier_run(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await open_session(page, person)
    pipeline = await saved_pipeline(api)
    path = f"/api/pipelines/{pipeline}/run?wait=20"
    run = await api.post(path, json={"input_data": {"who": "Ada"}})
    assert run.json()["status"] == "completed"
    await open_editor(page, pipeline)

    await page.get_by_role("button", name="Test", exact=True).click()
    await page.get_by_label("What to run").select_option("shout")
    await expect(page.get_by_label("Outputs of the other steps")).to_be_visible()
    await page.get_by_role("button", name="Run the draft").click()

    result = page.get_by_role("region", name="Result")
    await expect(result.get_by_label("Output", exact=True)).to_contain_text("Hello Ada!")


async def test_the_output_is_shown_if_the_run_ends_during_the_first_request_for_it(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await open_session(page, person)
    await open_editor(page, await saved_pipeline(api))
    status = page.get_by_role("region", name="Result").get_by_role("status", name="Test")
    requests: list[str] = []
    ended, answered = asyncio.Event(), asyncio.Event()

    async def hold_the_first(route: Route) -> None:
        requests.append(route.request.url)
        if len(requests) > 1:
            await route.continue_()
            return
        response = await route.fetch()
        run = await response.json()
        await ended.wait()
        await route.fulfill(
            response=response, json=run | {"status": "running", "output": None, "steps": []}
        )
        answered.set()

    await page.route(re.compile(r"/api/runs/[0-9a-f-]{36}$"), hold_the_first)
    await page.get_by_role("button", name="Test", exact=True).click()
    await page.get_by_label("who").fill("Ada")
    await page.get_by_role("button", name="Run the draft").click()
    await expect(status).to_have_text("Completed")
    ended.set()
    await asyncio.wait_for(answered.wait(), 30)

    output = page.get_by_role("region", name="Result").get_by_label("Output", exact=True)
    await expect(output).to_contain_text("Hello Ada!")


async def test_a_killed_tab_loses_nothing(
    page: Page,
    context: BrowserContext,
    person: Person,
    api: httpx2.AsyncClient,
    problems: PageProblems,
):
    problems.expect("ERR_FAILED")
    await open_session(page, person)
    pipeline = await saved_pipeline(api)
    await open_editor(page, pipeline)
    # Nothing reaches the server, so that only the browser has the text.
    await context.route("**/draft", lambda route: route.abort())
    await type_on_top(page, "# typed before the end")
    await expect(page.get_by_text("This browser keeps your changes")).to_be_visible()

    await page.close()
    await context.unroute("**/draft")
    other = await context.new_page()
    await open_editor(other, pipeline)

    await expect(editor(other)).to_contain_text("# typed before the end")
    await expect_kept(other)
    assert (await draft_of(api, pipeline)).startswith("# typed before the end\n")


async def test_two_tabs_show_the_same_text_and_lose_nothing(
    page: Page, context: BrowserContext, person: Person, api: httpx2.AsyncClient
):
    await open_session(page, person)
    pipeline = await saved_pipeline(api)
    await open_editor(page, pipeline)
    other = await context.new_page()
    await open_editor(other, pipeline)

    await type_on_top(page, "# from the first")
    await expect(editor(other)).to_contain_text("# from the first")
    await editor(other).click()
    await other.keyboard.press("Control+End")
    await other.keyboard.type("# from the second\n")

    await expect(editor(page)).to_contain_text("# from the second")
    await expect_kept(page)
    await save(page)
    await expect(other.get_by_role("status", name="Draft")).to_have_text("Saved")
    text = await text_of(api, pipeline)
    assert "# from the first" in text
    assert "# from the second" in text


async def test_a_version_that_another_member_saved_is_merged(
    page: Page, person: Person, api: httpx2.AsyncClient, problems: PageProblems
):
    problems.expect("status of 412")
    await open_session(page, person)
    pipeline = await saved_pipeline(api)
    await open_editor(page, pipeline)
    await type_on_top(page, "# mine")
    await expect_kept(page)
    theirs = "# theirs\n" + SOURCE.replace("Hello", "Good morning")
    response = await api.put(f"/api/pipelines/{pipeline}", content=theirs, headers=YAML)
    assert response.status_code == 200

    await save(page)
    conflict = page.get_by_role("region", name="Version 2 was saved while you edited")
    await expect(conflict.get_by_label("Theirs", exact=True).first).to_contain_text("# theirs")
    await expect(conflict.get_by_label("Yours", exact=True).first).to_contain_text("# mine")
    await conflict.get_by_text("Both", exact=True).click()
    await conflict.get_by_role("button", name="Continue with the result").click()
    await save(page)

    await expect(page.get_by_text("Saved as version 3.")).to_be_visible()
    assert (await text_of(api, pipeline)) == "# theirs\n# mine\n" + theirs.removeprefix(
        "# theirs\n"
    )


async def test_an_editor_names_members_with_unsaved_changes_before_the_first_change(
    page: Page,
    person: Person,
    api: httpx2.AsyncClient,
    ui_server: UiServer,
    new_person: Callable[[], Awaitable[Person]],
):
    pipeline = await saved_pipeline(api)
    colleague = await new_person()
    invitation = {"email": colleague.email, "role": "editor"}
    invited = (await api.post("/api/workspace/invitations", json=invitation)).json()["url"]
    workspace = (await api.get("/api/user/me")).json()["workspace"]["id"]
    draft = f"/api/pipelines/{pipeline}/draft"
    name = colleague.email.partition("@")[0]
    notice = page.get_by_text(f"{name} has unsaved changes to version 1.")
    headers = {"Authorization": f"Bearer {colleague.token}"}
    async with httpx2.AsyncClient(base_url=ui_server.url, headers=headers, timeout=30) as theirs:
        token = invited.partition("invitation=")[2]
        await theirs.post("/api/workspaces/join", json={"invitation": token})
        theirs.headers["X-Workspace"] = workspace
        text = {"text": "# theirs", "base_version": 1}
        (await theirs.put(draft, json=text)).raise_for_status()
        await open_session(page, person)

        await open_editor(page, pipeline)
        await expect(notice).to_be_visible()
        await expect(page.get_by_role("status", name="Draft")).to_have_text("Saved")
        await assert_accessible(page)

        (await theirs.delete(draft)).raise_for_status()
        # The tab is in front again.
        await page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
        await expect(notice).to_have_count(0)

        (await theirs.put(draft, json=text)).raise_for_status()
        await type_on_top(page, "# mine")
        await expect_kept(page)
        await expect(notice).to_be_visible()


async def test_leaving_by_back_and_renaming_keep_the_text(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await open_session(page, person)
    pipeline = await saved_pipeline(api)
    await page.goto("/pipelines")
    await page.get_by_role("link", name="Greeting").click()
    await expect(editor(page)).to_be_visible()
    await type_on_top(page, "# typed and left at once")
    await page.go_back()
    await expect(page.get_by_role("table", name="Pipelines")).to_be_visible()
    renamed = await api.patch(f"/api/pipelines/{pipeline}", json={"name": "Welcome"})
    assert renamed.status_code == 200

    await page.go_forward()
    await expect(editor(page)).to_contain_text("# typed and left at once")
    await type_on_top(page, "# typed later")
    await expect_kept(page)

    assert (await draft_of(api, pipeline)).startswith("# typed later\n# typed and left at once\n")


async def test_signing_out_sends_the_text_first(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await open_session(page, person)
    pipeline = await saved_pipeline(api)
    await open_editor(page, pipeline)

    await type_on_top(page, "# typed before signing out")
    await page.get_by_role("button", name=re.compile("^Account ")).click()
    await page.get_by_text("Sign out").click()
    await expect(page).to_have_url(re.compile("/login"))

    assert (await draft_of(api, pipeline)).startswith("# typed before signing out\n")


async def test_signing_out_asks_if_the_text_cannot_be_sent(
    page: Page,
    context: BrowserContext,
    person: Person,
    api: httpx2.AsyncClient,
    problems: PageProblems,
):
    problems.expect("ERR_FAILED")
    await open_session(page, person)
    pipeline = await saved_pipeline(api)
    await open_editor(page, pipeline)
    await context.route("**/draft", lambda route: route.abort())
    await type_on_top(page, "# typed while offline")

    await page.get_by_role("button", name=re.compile("^Account ")).click()
    await page.get_by_text("Sign out").click()
    dialog = page.get_by_role("dialog", name="Sign out?")
    await dialog.get_by_role("button", name="Stay signed in").click()

    await expect(dialog).to_be_hidden()
    await expect(editor(page)).to_contain_text("# typed while offline")


async def test_a_new_workspace_is_not_created_if_the_person_stays(
    page: Page,
    context: BrowserContext,
    person: Person,
    api: httpx2.AsyncClient,
    problems: PageProblems,
):
    problems.expect("ERR_FAILED")
    await open_session(page, person)
    await open_editor(page, await saved_pipeline(api))
    await context.route("**/draft", lambda route: route.abort())
    await type_on_top(page, "# typed while offline")

    await page.get_by_role("button", name=re.compile("^Workspace ")).click()
    await page.get_by_role("button", name="Create workspace").click()
    form = page.get_by_role("dialog", name="Create workspace")
    await form.get_by_label("Name").fill("Second team")
    await form.get_by_role("button", name="Create workspace").click()
    question = page.get_by_role("dialog", name="Switch workspace?")
    await question.get_by_role("button", name="Stay here").click()

    await expect(question).to_be_hidden()
    await expect(editor(page)).to_contain_text("# typed while offline")
    assert len((await api.get("/api/workspaces")).json()["data"]) == 1


async def test_changes_are_discarded_only_after_a_question(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await open_session(page, person)
    pipeline = await saved_pipeline(api)
    await open_editor(page, pipeline)
    await type_on_top(page, "# unwanted")
    await expect_kept(page)

    await page.get_by_role("button", name="More actions").click()
    await page.get_by_role("menuitem", name="Discard changes").click()
    await page.get_by_role("dialog").get_by_role("button", name="Discard", exact=True).click()

    await expect(editor(page)).not_to_contain_text("# unwanted")
    assert (await api.get(f"/api/pipelines/{pipeline}/draft")).status_code == 404


async def test_the_editor_and_a_conflict_are_accessible(
    page: Page,
    person: Person,
    api: httpx2.AsyncClient,
    problems: PageProblems,
):
    problems.expect("status of 412")
    await page.emulate_media(reduced_motion="reduce")
    await open_session(page, person)
    pipeline = await saved_pipeline(api)
    # `test_accessible.py` opens the other panels.
    await page.goto(f"/pipelines/{pipeline}/edit?panel=problems")
    await expect(editor(page)).to_be_visible()
    await expect(page.get_by_role("tabpanel")).not_to_be_empty()
    await assert_accessible_in_both_themes(page)
    await type_on_top(page, "# mine")
    await expect_kept(page)
    await api.put(f"/api/pipelines/{pipeline}", content=f"# theirs\n{SOURCE}", headers=YAML)
    await save(page)
    await expect(page.get_by_role("button", name="Continue with the result")).to_be_visible()

    await assert_accessible(page)
