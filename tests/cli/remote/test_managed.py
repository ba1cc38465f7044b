"""Which pipelines a deployment owns: `managed_by` and `source`."""

from tests.cli.remote.conftest import Remote, problem
from tests.cli.remote.test_apply import applied, flows, pipeline

__all__ = ["flows"]


class TestOwner:
    async def test_a_deployed_pipeline_has_its_source(self, flows: Remote):
        await applied(flows)

        made = await pipeline(flows)
        assert (made["managed_by"], made["source"]) == ("git", "flows")

    async def test_prune_archives_only_what_this_source_has_deployed(self, flows: Remote):
        await flows.save("by-hand")
        flows.write("old.yaml")
        await applied(flows)
        (flows.folder / "flows" / "old.yaml").unlink()

        kept = await applied(flows)
        pruned = await applied(flows, "--prune")

        assert "Only on the server: old." in kept.out
        assert pruned.out.startswith("- old\n")
        assert (await pipeline(flows, "old"))["status"] == "archived"
        assert (await pipeline(flows, "by-hand"))["status"] == "active"

    async def test_a_pipeline_of_the_web_interface_is_adopted(self, flows: Remote):
        await flows.save("greeting")

        said = await applied(flows)

        found = await pipeline(flows)
        assert "managed by git from now on" in said.out
        assert (found["version"], found["managed_by"]) == (1, "git")

    async def test_a_pipeline_of_another_source_is_taken_over_only_on_request(self, flows: Remote):
        await applied(flows, "--source", "github.com/acme/other")

        refused = await flows("apply", "flows", "--yes")
        taken = await applied(flows, "--take-over")

        assert refused.code == 6
        assert problem(refused)["code"] == "managed_elsewhere"
        assert "`greeting` (from github.com/acme/other)" in problem(refused)["message"]
        assert "source: github.com/acme/other → flows" in taken.out
        assert (await pipeline(flows))["source"] == "flows"

    async def test_invalid_files_are_reported_before_foreign_pipelines(self, flows: Remote):
        await applied(flows, "--source", "github.com/acme/other")
        flows.write("broken.yaml", "name: Broken\nstepps: []\n")

        refused = await flows("apply", "flows", "--yes")

        assert "broken.yaml" in refused.err
        assert "managed_elsewhere" not in refused.err
