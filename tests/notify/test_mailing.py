"""Mail about runs: what it says, and how often it is tried."""

import json

import pytest

from stepiq.core.mail import Mailer
from stepiq.core.settings import Settings
from tests.notify.conftest import Sender
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
        assert f"{settings.base_url}/api/runs/{run_id}" in text
        assert mails[0]["Subject"] == "Report: completed"

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
        assert "[The output goes on: read it at the address below.]" in text

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
        assert "at step `write`: template_unresolved" in mail.get_content()

    async def test_a_test_says_that_it_is_one(self, sender: Sender, settings: Settings):
        pipeline_id = await sender.pipeline(BROKEN)

        answer = await sender.client.post(f"/api/pipelines/{pipeline_id}/deliveries/test")
        delivery = answer.json()["data"][0]
        await sender.finished(delivery["id"])

        [mail] = kept(settings.data_dir)
        assert mail["Subject"] == "Report: test"
        assert "This is a test event" in mail.get_content()


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
        mailbox.refuse["RCPT"] = "451 later"
        run_id = await sender.run(await sender.pipeline(SUBJECT))
        await sender.answered(run_id, 1)
        del mailbox.refuse["RCPT"]

        [delivery] = await sender.deliveries(run_id)

        first, second = delivery["attempts"]
        assert "451" in first["error"]
        assert (second["error"], delivery["status"]) == (None, "delivered")
        [mail] = mailbox.taken
        assert mail["Message-ID"].startswith(f"<{delivery['id']}@")

    async def test_what_the_server_never_takes_is_tried_once(
        self, sender: Sender, mailbox: Mailbox
    ):
        mailbox.refuse["RCPT"] = "550 no such person"

        delivery = await sender.sent(SUBJECT)

        assert delivery["status"] == "failed"
        assert len(delivery["attempts"]) == 1
        assert "550" in delivery["error"]
