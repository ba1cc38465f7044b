"""Mail that asks people for decisions, from the step that asks to the mailbox."""

import asyncio
import re
from datetime import timedelta

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from stepiq.core import clock
from stepiq.core.mail import Mailer
from stepiq.core.settings.model import Settings
from stepiq.notify import reviewing
from stepiq.runs.reviews.links import ReviewLinks
from stepiq.runs.reviews.records import LinkHolder
from stepiq.store.tables import deliveries, delivery_attempts, reviews, run_events, runs
from tests.notify.conftest import Sender
from tests.support.mail import Mailbox, kept, mail_server

ASKING = """
name: Letters
steps:
  - {id: draft, type: transform, template: "Dear Ada"}
  - id: check
    name: the letter
    type: human_review
    message: "Is this **fine**?"
    editable: true
    assignees: [ada@example.com, bob@example.com]
"""
ALONE = ASKING.replace("[ada@example.com, bob@example.com]", "ada@example.com")


def link_in(mail, settings):
    """The token of the one link in a mail."""
    found = re.findall(
        rf"^{re.escape(settings.base_url)}/review#([\w-]+)$", mail.get_content(), re.MULTILINE
    )
    assert len(found) == 1
    return found[0]


async def asked(sender, source):
    """A run that waits, and its mails once they are final."""
    run_id = await sender.run(await sender.pipeline(source))
    await sender.status(run_id, "waiting")
    return run_id, await sender.deliveries(run_id, final=source.count("@"))


class TestText:
    async def test_each_assignee_gets_a_mail_with_a_link_of_their_own(
        self, sender: Sender, settings: Settings, database
    ):
        run_id, found = await asked(sender, ASKING)

        mails = {mail["To"]: mail for mail in kept(settings.data_dir)}
        assert set(mails) == {"ada@example.com", "bob@example.com"}
        async with database.reading() as session:
            review = (await session.execute(sa.select(reviews))).one()
        links = ReviewLinks(settings)
        for number, mail in enumerate([mails["ada@example.com"], mails["bob@example.com"]]):
            assert mail["Subject"] == "Review needed: Letters (the letter)"
            holder = links.read(link_in(mail, settings))
            assert holder == LinkHolder(review.id, number)
        assert {(each["event"], each["target_path"], each["target"]["to"]) for each in found} == {
            ("review.requested", "steps.check.assignees[0]", "ada@example.com"),
            ("review.requested", "steps.check.assignees[1]", "bob@example.com"),
        }
        assert {each["status"] for each in found} == {"delivered"}
        assert {each["run_id"] for each in found} == {run_id}

    async def test_it_says_all_that_there_is_to_know(self, sender: Sender, settings: Settings):
        run_id, _ = await asked(sender, f"timeout_seconds: 86400\n{ASKING}")

        [mail] = [each for each in kept(settings.data_dir) if each["To"] == "ada@example.com"]
        text = mail.get_content()
        review = (await sender.client.get(f"/api/runs/{run_id}/reviews/check")).json()
        until = clock.readable(clock.parse(review["expires_at"]))
        assert text.startswith("Is this **fine**?\n")
        assert "recorded as made by ada@example.com" in text
        # By the end of the run's own day, which comes before the review's three.
        assert (
            f"Please decide by {until}. If nobody decides by then, the run fails, because its own"
            in text
        )
        assert "Also sent to: bob@example.com." in text
        assert "Pipeline: Letters (version 1)\nStep: the letter\n" in text
        assert f"Run: {run_id}" in text

    @pytest.mark.parametrize(
        ("on_timeout", "otherwise"),
        [
            ("fail", "the run fails."),
            ("approve", "the review is approved."),
            ("reject", "the review is rejected."),
        ],
    )
    async def test_it_says_what_silence_means(
        self, sender: Sender, settings: Settings, on_timeout, otherwise
    ):
        await asked(sender, f"{ALONE}    timeout_seconds: 3600\n    on_timeout: {on_timeout}\n")

        [mail] = kept(settings.data_dir)
        assert f"If nobody decides by then, {otherwise}\n" in mail.get_content()
        assert "Also sent to" not in mail.get_content()

    async def test_a_question_without_an_end_is_cut(self, sender: Sender, settings: Settings):
        message = '"{{#each input.many}}€€€€€€€€€€{{/each}}"'
        source = ALONE.replace('"Is this **fine**?"', message)
        run_id = await sender.run(await sender.pipeline(source), many=[0] * 7_000)
        await sender.deliveries(run_id)

        [mail] = kept(settings.data_dir)
        text = mail.get_content()
        assert "[The message is longer. Open the link to read all of it.]" in text
        assert text.count("€") == 64 * 1024

    async def test_without_assignees_nothing_is_sent(self, sender: Sender, settings: Settings):
        source = ASKING.replace("    assignees: [ada@example.com, bob@example.com]\n", "")
        run_id, found = await asked(sender, source)

        assert found == []
        assert (await sender.client.get("/api/reviews")).json()["data"][0]["run_id"] == run_id


class TestSubject:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("pipeline", "step", "subject"),
        [
            ("Contract review", "Review", "Review needed: Contract review"),
            ("Contract review", "review", "Review needed: Contract review"),
            ("Contracts", "contracts_review", "Review needed: Contracts"),
            ("Letters", "the letter", "Review needed: Letters (the letter)"),
        ],
    )
    def test_it_repeats_nothing(self, pipeline, step, subject):
        assert reviewing._subject(pipeline, step) == subject


class TestToken:
    async def test_it_stands_in_the_mail_and_nowhere_else(
        self, sender: Sender, settings: Settings, database, capsys
    ):
        run_id, _ = await asked(sender, ALONE)
        [mail] = kept(settings.data_dir)
        token = link_in(mail, settings)
        urls = [f"/api/runs/{run_id}{rest}" for rest in ("", "/events", "/deliveries")]
        urls += ["/api/reviews", f"/api/runs/{run_id}/reviews/check"]

        seen = [(await sender.client.get(url)).text for url in urls]
        async with database.reading() as session:
            for table in (deliveries, delivery_attempts, reviews, run_events, runs):
                seen.append(str((await session.execute(sa.select(table))).all()))
        out, err = capsys.readouterr()
        async with asyncio.timeout(20):
            # The delivery is final before its log entry is written.
            while "delivery_attempted" not in out:
                await asyncio.sleep(0.02)
                more = capsys.readouterr()
                out, err = out + more.out, err + more.err

        assert all(len(text) > 2 for text in seen)
        # Also not the part that proves it.
        assert not [text for text in [*seen, out, err] if token[24:40] in text]

    @pytest.mark.both_stores
    async def test_a_server_that_quotes_the_mail_does_not_bring_it_into_the_row(
        self, sender: Sender, settings: Settings, mail_box: Mailbox, database
    ):
        mail_box.judge = lambda mail: f"550 Spam: {link_in(mail, settings)}"

        _, [delivery] = await asked(sender, ALONE)

        assert (delivery["status"], len(delivery["attempts"])) == ("failed", 1)
        assert delivery["error"].startswith("The mail server refused the email with code 550.")
        async with database.reading() as session:
            [error] = await session.execute(sa.select(delivery_attempts.c.error))
        assert "Spam" not in error[0]


@pytest.fixture
async def mail_box():
    async with mail_server() as box:
        yield box


@pytest.fixture
def mailer(settings: Settings, request) -> Mailer:
    if "mail_box" not in request.fixturenames:
        return Mailer(settings)
    box: Mailbox = request.getfixturevalue("mail_box")
    url = SecretStr(f"smtp://127.0.0.1:{box.port}")
    return Mailer(settings.model_copy(update={"smtp_url": url}))


class TestArriving:
    async def test_it_arrives_and_its_link_lets_the_run_go_on(
        self, sender: Sender, settings: Settings, mail_box: Mailbox, client
    ):
        run_id, _ = await asked(sender, ALONE)
        [mail] = mail_box.taken
        body = {"token": link_in(mail, settings), "decision": "approve", "output": "Dear Bob"}

        decided = await client.post("/api/reviews/decide", json=body)

        assert decided.status_code == 200
        run = await sender.ended(run_id)
        assert run["status"] == "completed"
        assert run["output"] == {
            "decision": "approve",
            "comment": None,
            "output": "Dear Bob",
            "reviewer": "ada@example.com",
            "decided_at": decided.json()["decided_at"],
        }

    @pytest.mark.usefixtures("short_pauses")
    async def test_a_server_that_says_later_is_asked_again(self, sender: Sender, mail_box: Mailbox):
        answers = iter(["451 Later", "451 Later"])

        def judge(mail):
            answer = next(answers, "250 OK")
            if answer == "250 OK":
                mail_box.taken.append(mail)
            return answer

        mail_box.judge = judge

        _, [delivery] = await asked(sender, ALONE)

        assert (delivery["status"], len(delivery["attempts"])) == ("delivered", 3)
        assert len(mail_box.taken) == 1

    async def test_a_mail_can_be_sent_again_while_the_review_is_open(
        self, sender: Sender, settings: Settings, mail_box: Mailbox
    ):
        _, [delivery] = await asked(sender, ALONE)
        again = await sender.client.post(f"/api/deliveries/{delivery['id']}/redeliver")

        final = await sender.finished(delivery["id"])

        assert again.status_code == 200
        assert (final["status"], len(final["attempts"])) == ("delivered", 2)
        first, second = (link_in(mail, settings) for mail in mail_box.taken)
        assert first == second

    async def test_what_has_been_decided_is_not_asked_again(
        self, sender: Sender, mail_box: Mailbox
    ):
        run_id, [delivery] = await asked(sender, ALONE)
        await sender.client.post(f"/api/runs/{run_id}/reviews/check", json={"decision": "approve"})
        await sender.ended(run_id)
        await sender.client.post(f"/api/deliveries/{delivery['id']}/redeliver")

        final = await sender.finished(delivery["id"])

        assert final["status"] == "failed"
        assert final["error"].startswith("This review is closed: ")
        assert len(mail_box.taken) == 1

    async def test_between_two_attempts_it_may_be_decided(self, sender: Sender, mail_box: Mailbox):
        refused = asyncio.Event()

        def judge(_mail):
            refused.set()
            return "451 Later"

        mail_box.judge = judge
        run_id = await sender.run(await sender.pipeline(ALONE))
        async with asyncio.timeout(20):
            await refused.wait()
        await sender.client.post(f"/api/runs/{run_id}/reviews/check", json={"decision": "reject"})

        [delivery] = await sender.deliveries(run_id)

        assert delivery["status"] == "failed"
        assert "rejected it on" in delivery["error"]

    async def test_each_iteration_asks_anew(
        self, sender: Sender, settings: Settings, mail_box: Mailbox, client
    ):
        run_id, _ = await asked(sender, f"{ALONE}    on_reject: {{goto: draft}}\n")
        first = link_in(mail_box.taken[0], settings)
        mail_box.arrived.clear()
        await client.post("/api/reviews/decide", json={"token": first, "decision": "reject"})
        async with asyncio.timeout(20):
            await mail_box.arrived.wait()
        second = link_in(mail_box.taken[1], settings)

        old = await client.post("/api/reviews/open", json={"token": first})
        new = await client.post(
            "/api/reviews/decide", json={"token": second, "decision": "approve"}
        )

        assert (old.status_code, new.status_code) == (409, 200)
        assert (await sender.ended(run_id))["status"] == "completed"

    async def test_after_the_reviews_time_it_is_not_sent(
        self, sender: Sender, mail_box: Mailbox, clock
    ):
        _, [delivery] = await asked(sender, f"{ALONE}    timeout_seconds: 600\n")
        clock.advance(timedelta(minutes=10))
        await sender.client.post(f"/api/deliveries/{delivery['id']}/redeliver")

        final = await sender.finished(delivery["id"])

        assert final["error"].startswith("This review expired on ")
