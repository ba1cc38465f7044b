"""Mail about runs: what it says, and how often it is tried."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from stepiq.core import clock
from stepiq.core.mail import Mailer
from stepiq.core.settings.model import Settings
from tests.notify.conftest import Sender, Vault
from tests.support.mail import Mailbox, kept, mail_server

pytestmark = pytest.mark.one_store

REPORT = """
name: Report
steps:
  - {{id: write, type: transform, template: {template}, output_format: {format}}}
output:
  deliver:
    - {{type: email, to: [one@example.com, two@example.com]}}
"""
SUBJECT = """
name: Report
input: {schema: {topic: {type: string}}}
steps: [{id: write, type: transform, template: "Hello"}]
output:
  deliver:
    - {type: email, to: one@example.com, subject: "News about {{input.topic}}"}
"""
BROKEN = """
name: Report
steps: [{id: write, type: transform, template: "{{input.a.b}}"}]
notifications:
  on_failure:
    - {type: email, to: one@example.com}
"""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"run_retention_days": 5})


class TestText:
    async def test_a_text_is_sent_as_it_is_to_each_address_by_itself(
        self, sender: Sender, settings: Settings
    ):
        source = REPORT.format(template=json.dumps("Größer\n\nund *besser*"), format="markdown")
        run_id = await sender.run(await sender.pipeline(source))

        found = await sender.deliveries(run_id, final=2)

        assert {d["status"] for d in found} == {"delivered"}
        mails = kept(settings.data_dir)
        assert sorted(mail["To"] for mail in mails) == ["one@example.com", "two@example.com"]
        text = mails[0].get_content()
        assert text.startswith("Größer\n\nund *besser*\n")
        assert "Pipeline: Report (version 1)" in text
        assert f"Run: {run_id}" in text
        # Who gets an output need not see how it was made.
        assert "http" not in text
        assert mails[0]["Subject"] == "Report: completed"

    async def test_the_subject_says_how_many_steps_of_a_completed_run_failed(
        self, sender: Sender, settings: Settings
    ):
        failing = "steps:\n  - {id: failing, type: transform, set: {x: 1 / 0}, on_error: continue}"
        source = REPORT.format(template="x", format="text").replace("steps:", failing, 1)

        await sender.deliveries(await sender.run(await sender.pipeline(source)), final=2)

        subjects = {mail["To"]: mail["Subject"] for mail in kept(settings.data_dir)}
        assert subjects["one@example.com"] == "Report: completed · 1 failed"

    async def test_json_is_sent_in_a_form_to_be_read(self, sender: Sender, settings: Settings):
        source = REPORT.format(template=json.dumps('{"a": [1]}'), format="json")

        await sender.deliveries(await sender.run(await sender.pipeline(source)), final=2)

        text = kept(settings.data_dir)[0].get_content()
        assert text.startswith('{\n  "a": [\n    1\n  ]\n}\n')

    async def test_no_output_is_said_to_be_none(self, sender: Sender, settings: Settings):
        source = REPORT.format(template=json.dumps("null"), format="json")

        await sender.deliveries(await sender.run(await sender.pipeline(source)), final=2)

        assert "without an output" in kept(settings.data_dir)[0].get_content()

    async def test_a_very_long_output_is_cut_and_says_so(self, sender: Sender, settings: Settings):
        source = REPORT.format(template=json.dumps("{{input.text}}" * 3), format="text")
        run_id = await sender.run(await sender.pipeline(source), text="ä" * 100_000)

        await sender.deliveries(run_id, final=2)

        text = kept(settings.data_dir)[0].get_content()
        assert text.count("ä") == 256 * 1024
        page = f"{settings.base_url}/runs/{run_id}"
        assert f"[The output is longer. To read all of it, open {page}]" in text

    async def test_the_subject_is_a_template(self, sender: Sender, settings: Settings):
        await sender.sent(SUBJECT, topic="x\r\nBcc: evil@example.com")

        [mail] = kept(settings.data_dir)
        assert mail["Subject"] == "News about x Bcc: evil@example.com"
        assert mail["Bcc"] is None

    async def test_a_subject_that_cannot_be_rendered_says_so(self, sender: Sender):
        source = SUBJECT.replace("{type: string}", "{type: object}").replace(
            "input.topic", "input.topic.name"
        )

        delivery = await sender.sent(source)

        assert delivery["status"] == "failed"
        assert "`subject` cannot be rendered" in delivery["error"]

    async def test_a_failure_says_where_and_why(self, sender: Sender, settings: Settings):
        await sender.sent(BROKEN)

        [mail] = kept(settings.data_dir)
        assert mail["Subject"] == "Report: failed"
        assert mail.get_content().startswith(
            "The run failed (template_unresolved).\n\nStep `write`, `template`: "
        )

    async def test_a_failure_has_a_link_that_a_person_can_open(
        self, sender: Sender, settings: Settings, client
    ):
        delivery = await sender.sent(BROKEN)

        [mail] = kept(settings.data_dir)
        [token] = re.findall(
            rf"^{re.escape(settings.base_url)}/run-status#([\w-]+)$",
            mail.get_content(),
            re.MULTILINE,
        )
        opened = await client.post("/api/run-links/open", json={"token": token})
        run = opened.json()
        assert (run["id"], run["status"]) == (delivery["run_id"], "failed")
        assert [(step["step_id"], step["status"]) for step in run["steps"]] == [("write", "failed")]
        until = clock.readable(clock.parse(run["link_expires_at"]))
        assert f"The link works until {until} for anyone who has it." in mail.get_content()
        assert f"\n{settings.base_url}/runs/{run['id']}\n" in mail.get_content()

    async def test_the_link_works_no_longer_than_the_run_is_kept(
        self, sender: Sender, settings: Settings
    ):
        delivery = await sender.sent(BROKEN)

        [mail] = kept(settings.data_dir)
        run = (await sender.client.get(f"/api/runs/{delivery['run_id']}")).json()
        until = clock.parse(run["completed_at"]) + timedelta(days=settings.run_retention_days)
        assert f"The link works until {clock.readable(until)}" in mail.get_content()

    async def test_the_time_of_the_end_has_its_zone(self, sender: Sender, settings: Settings):
        delivery = await sender.sent(BROKEN)

        [mail] = kept(settings.data_dir)
        run = (await sender.client.get(f"/api/runs/{delivery['run_id']}")).json()
        ended = clock.readable(clock.parse(run["completed_at"]))
        assert f"Run: {delivery['run_id']}, failed on {ended}\n" in mail.get_content()
        assert ended.endswith(" UTC")

    async def test_a_test_says_that_it_is_one(self, sender: Sender, settings: Settings):
        pipeline_id = await sender.pipeline(BROKEN)

        answer = await sender.client.post(f"/api/pipelines/{pipeline_id}/deliveries/test")
        delivery = answer.json()["data"][0]
        await sender.finished(delivery["id"])

        [mail] = kept(settings.data_dir)
        assert mail["Subject"] == "Report: test"
        assert "This is a test event" in mail.get_content()
        page = f"{settings.base_url}/deliveries/{delivery['id']}"
        assert f"\nDelivery: {page}\n" in mail.get_content()

    async def test_so_does_the_subject_of_a_test_if_the_target_sets_one(
        self, sender: Sender, settings: Settings
    ):
        pipeline_id = await sender.pipeline(SUBJECT)

        answer = await sender.client.post(f"/api/pipelines/{pipeline_id}/deliveries/test")
        await sender.finished(answer.json()["data"][0]["id"])

        [mail] = kept(settings.data_dir)
        assert mail["Subject"].startswith("[Test] News about")


class Once(dict[str, str]):
    """Refusals of which each is given once."""

    def __getitem__(self, command: str) -> str:
        return self.pop(command)


class TestSend:
    @pytest.fixture
    async def mailbox(self):
        async with mail_server() as mailbox:
            yield mailbox

    @pytest.fixture
    def mailer(self, settings: Settings, mailbox: Mailbox) -> Mailer:
        url = f"smtp://127.0.0.1:{mailbox.port}"
        return Mailer(settings.model_validate({**settings.model_dump(), "smtp_url": url}))

    async def test_what_the_server_may_take_later_is_tried_again(
        self, sender: Sender, mailbox: Mailbox
    ):
        mailbox.refuse = Once(RCPT="451 later")

        delivery = await sender.sent(SUBJECT)

        first, second = delivery["attempts"]
        assert "451" in first["error"]
        assert (second["error"], delivery["status"]) == (None, "delivered")
        [mail] = mailbox.taken
        assert mail["Message-ID"].startswith(f"<{delivery['id']}@")

    async def test_a_server_that_quotes_the_link_does_not_bring_it_into_the_row(
        self, sender: Sender, mailbox: Mailbox
    ):
        tokens: list[str] = []

        def judge(mail: Any) -> str:
            tokens.extend(re.findall(r"#([\w-]{64})", mail.get_content()))
            return f"550 Spam: {tokens[-1]}"

        mailbox.judge = judge

        delivery = await sender.sent(BROKEN)

        assert "refused the email with code 550" in delivery["error"]
        assert tokens[-1] not in str(delivery)

    async def test_a_secret_that_the_server_quotes_is_not_recorded(
        self, sender: Sender, mailbox: Mailbox, vault: Vault
    ):
        vault.values["TOKEN"] = "t0ken-0123456789"
        mailbox.refuse["RCPT"] = "550 5.1.1 no such person: t0ken-0123456789"

        delivery = await sender.sent(SUBJECT.replace("{{input.topic}}", "{{env.TOKEN}}"))

        assert "no such person: [secret:TOKEN]" in delivery["error"]
        assert "t0ken-0123456789" not in str(delivery)

    async def test_a_subject_has_the_label_of_a_secret(
        self, sender: Sender, mailbox: Mailbox, vault: Vault
    ):
        vault.values["TOKEN"] = "t0ken-0123456789"

        await sender.sent(SUBJECT.replace("{{input.topic}}", "{{env.TOKEN}}"))

        [mail] = mailbox.taken
        assert mail["Subject"] == "News about [secret:TOKEN]"

    async def test_what_the_server_never_takes_is_tried_once(
        self, sender: Sender, mailbox: Mailbox
    ):
        mailbox.refuse["RCPT"] = "550 no such person"

        delivery = await sender.sent(SUBJECT)

        assert delivery["status"] == "failed"
        assert len(delivery["attempts"]) == 1
        assert "550" in delivery["error"]

    async def test_the_address_and_settings_of_the_server_are_only_in_the_log(
        self, sender: Sender, mailbox: Mailbox, capsys
    ):
        mailbox.refuse["MAIL"] = "553 not yours"

        delivery = await sender.sent(SUBJECT)

        assert delivery["error"].startswith("The email of this server does not work at the moment.")
        assert "rejected the sender; see STEPIQ_MAIL_FROM: 553 not yours" in capsys.readouterr().out
