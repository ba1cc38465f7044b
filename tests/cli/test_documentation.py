"""`stepiq docs`."""

from pathlib import Path

import pytest

from stepiq.server.docs.guides import guides
from tests.cli.conftest import Cli, Command
from tests.docs.pages import ROOT, read

SKILL = Path(".claude") / "skills" / "stepiq" / "SKILL.md"


class TestTopics:
    def test_every_page_but_decisions_is_listed_with_its_section(self, cli: Cli):
        said = cli("docs")

        lines = said.out.splitlines()
        listed = {line.split()[0] for line in lines if line.startswith("  ")}
        assert said.code == 0
        assert "Writing pipelines" in lines
        assert listed == {
            guide.name
            for guide in guides().values()
            if guide.section and not guide.name.startswith("decisions/")
        }
        assert "stepiq docs TOPIC" in said.err


class TestPage:
    def test_without_a_terminal_it_is_markdown(self, cli: Cli):
        said = cli("docs", "llm")

        assert (said.code, said.err) == (0, "")
        assert said.out.startswith("# `llm`: call a model\n")
        assert "```yaml\nname: Sort a ticket\n" in said.out

    def test_its_links_are_topics(self, cli: Cli):
        assert "[Models](models)" in cli("docs", "steps/llm").out

    def test_a_part_of_it_can_be_shown(self, cli: Cli):
        said = cli("docs", "errors#loop_limit")

        assert said.out.startswith("### loop_limit\n")
        assert said.out.count("#") == 3

    @pytest.mark.parametrize(
        ("topic", "told"),
        [
            ("webhok", "Did you mean `webhook`, `webhooks`, `steps/webhook`?"),
            ("qwxyz", "The documentation has no topic `qwxyz`. `stepiq docs` lists all topics."),
            ("errors#looplimit", "The page errors has no heading `looplimit`. Did you mean `loop_limit`"),
            ("../README", "The documentation has no topic"),
        ],
    )  # fmt: skip
    def test_an_unknown_topic_gets_the_nearest_names(self, cli: Cli, topic: str, told: str):
        said = cli("docs", topic)

        assert (said.code, said.out) == (2, "")
        assert told in said.err


async def on_terminal(command: Command, *arguments: str, **environment: str) -> str:
    """What a command prints to a terminal."""
    command.environment |= {"TERM": "xterm-256color", **environment}
    said = await command.on_terminal(*arguments)
    assert said.code == 0
    return said.out


class TestTerminal:
    async def test_it_is_formatted(self, command: Command):
        printed = await on_terminal(command, "docs", "wait", PAGER="cat")

        assert "\x1b[" in printed
        assert "```" not in printed
        assert "Remind later" in printed

    async def test_it_goes_to_the_pager_of_the_user(self, command: Command, tmp_path: Path):
        pager = tmp_path / "pager"
        pager.write_text('#!/bin/sh\necho "LESS is $LESS"\ncat > "$0.text"\n')
        pager.chmod(0o755)

        printed = await on_terminal(command, "docs", "wait", PAGER=str(pager))

        assert printed == "LESS is FRX\n"
        assert "Remind later" in (tmp_path / "pager.text").read_text()


class TestSkill:
    def test_it_is_printed_with_its_front_matter(self, cli: Cli):
        assert cli("docs", "skill").out == read("skills/stepiq/SKILL.md")

    def test_it_is_installed_where_agents_look(self, cli: Cli, folder: Path):
        said = cli("docs", "--install-skill", ".claude/skills")

        assert (said.code, said.out) == (0, "")
        assert (folder / SKILL).read_text() == read("skills/stepiq/SKILL.md")

    def test_an_installed_one_is_renewed_only_with_force(self, cli: Cli, folder: Path):
        cli("docs", "--install-skill", ".claude/skills")
        again = cli("docs", "--install-skill", ".claude/skills")
        (folder / SKILL).write_text("mine")

        refused = cli("docs", "--install-skill", ".claude/skills")
        kept = (folder / SKILL).read_text()
        forced = cli("docs", "--install-skill", ".claude/skills", "--force")

        assert (again.code, again.err) == (0, f"{SKILL} is up to date.\n")
        assert (refused.code, kept) == (2, "mine")
        assert "Overwrite it with --force." in refused.err
        assert forced.code == 0
        assert (folder / SKILL).read_text() == (ROOT / "skills/stepiq/SKILL.md").read_text()

    def test_a_folder_that_cannot_be_written_is_a_usage_error(self, cli: Cli, folder: Path):
        (folder / "file").write_text("")

        said = cli("docs", "--install-skill", "file")

        assert said.code == 2
        assert "cannot be written" in said.err
