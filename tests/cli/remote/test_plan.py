"""The plan of a deployment: a pure function of two states."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from stepiq.cli.remote.deployment import plan
from stepiq.cli.remote.deployment.plan import Operation, PlanAction, PlannedChange, plan_changes
from stepiq.cli.remote.deployment.state import (
    LocalPipeline,
    PipelineSettings,
    RemotePipeline,
    RemoteSchedule,
    ScheduleSettings,
    canonical,
    digest_of,
)
from stepiq.language.documents.source import SourceFormat
from stepiq.store.states import PipelineStatus

SOURCE = "github.com/acme/flows"
NAMES = ("a", "b", "c", "d")

_schedules = st.builds(
    ScheduleSettings,
    name=st.sampled_from(NAMES),
    cron=st.sampled_from(("0 1 * * *", "0 2 * * *")),
    enabled=st.booleans(),
    input=st.sampled_from(("{}", '{"a":1}')),
)
_tags = st.lists(st.sampled_from(NAMES), unique=True, max_size=3).map(tuple)
_settings = st.builds(
    PipelineSettings,
    tags=st.none() | _tags,
    paused=st.none() | st.booleans(),
    schedules=st.none()
    | st.lists(_schedules, max_size=3, unique_by=lambda each: each.name).map(tuple),
)
_texts = st.sampled_from(("one", "two"))
_formats = st.sampled_from(SourceFormat)


@st.composite
def _local(draw: st.DrawFn) -> dict[str, LocalPipeline]:
    slugs = draw(st.lists(st.sampled_from(NAMES), unique=True))
    return {
        slug: LocalPipeline(slug, f"{slug}.yaml", draw(_texts), draw(_formats), draw(_settings))
        for slug in slugs
    }


@st.composite
def _remote(draw: st.DrawFn) -> dict[str, RemotePipeline]:
    slugs = draw(st.lists(st.sampled_from(NAMES), unique=True))
    found: dict[str, RemotePipeline] = {}
    for slug in slugs:
        schedules = [
            RemoteSchedule(f"{slug}-{index}", each)
            for index, each in enumerate(draw(st.lists(_schedules, max_size=4)))
        ]
        owner = draw(
            st.sampled_from([(None, None), ("git", SOURCE), ("git", "elsewhere"), ("git", None)])
        )
        found[slug] = RemotePipeline(
            id=f"id-{slug}",
            slug=slug,
            version=draw(st.integers(1, 5)),
            digest=digest_of(draw(_texts)),
            format=draw(_formats),
            status=draw(st.sampled_from(PipelineStatus)),
            tags=draw(_tags),
            managed_by=owner[0],
            source=owner[1],
            schedules=tuple(schedules),
        )
    return found


class ModelServer:
    """What a server does with operations."""

    def __init__(self, pipelines: dict[str, RemotePipeline]) -> None:
        self.pipelines = dict(pipelines)
        self.made = 0

    def do(self, operation: Operation, change: PlannedChange) -> None:  # noqa: C901
        slug, local = change.slug, change.local
        there = self.pipelines.get(slug)
        if isinstance(operation, plan.Create):
            assert there is None
            assert local is not None
            self.pipelines[slug] = RemotePipeline(
                f"id-{slug}", slug, 1, local.digest, local.format, tags=local.settings.tags or (),
                managed_by="git", source=change.source,
            )  # fmt: skip
            return
        assert there is not None
        if isinstance(operation, plan.Restore):
            there = replace(there, status=PipelineStatus.ACTIVE)
        elif isinstance(operation, plan.Archive):
            there = replace(there, status=PipelineStatus.ARCHIVED)
        else:
            assert there.status is not PipelineStatus.ARCHIVED
            assert local is not None
            match operation:
                case plan.SaveVersion(after):
                    assert after == there.version
                    there = replace(
                        self._owned(there, change),
                        version=after + 1,
                        digest=local.digest,
                        format=local.format,
                    )
                case plan.UpdateFields():
                    there = self._owned(there, change)
                case plan.PausePipeline():
                    there = replace(there, status=PipelineStatus.PAUSED)
                case plan.ResumePipeline():
                    there = replace(there, status=PipelineStatus.ACTIVE)
                case plan.CreateSchedule(settings):
                    self.made += 1
                    added = RemoteSchedule(f"{slug}-new-{self.made}", settings)
                    there = replace(there, schedules=(*there.schedules, added))
                case plan.UpdateSchedule(schedule_id, before, settings):
                    assert RemoteSchedule(schedule_id, before) in there.schedules
                    changed = tuple(
                        RemoteSchedule(each.id, settings) if each.id == schedule_id else each
                        for each in there.schedules
                    )
                    there = replace(there, schedules=changed)
                case plan.DeleteSchedule(schedule_id):
                    kept = tuple(each for each in there.schedules if each.id != schedule_id)
                    assert len(kept) == len(there.schedules) - 1
                    there = replace(there, schedules=kept)
        self.pipelines[slug] = there

    def _owned(self, there: RemotePipeline, change: PlannedChange) -> RemotePipeline:
        assert change.local is not None
        tags = change.local.settings.tags
        return replace(
            there,
            managed_by="git",
            source=change.source,
            tags=there.tags if tags is None else tags,
        )


def _planned(
    local: dict[str, LocalPipeline], remote: dict[str, RemotePipeline], *, prune: bool = False
) -> plan.DeploymentPlan:
    return plan_changes(local.values(), remote.values(), SOURCE, prune=prune)


class TestProperties:
    @given(_local(), _remote(), st.booleans())
    def test_after_all_changes_nothing_is_left_to_do(self, local, remote, prune):
        server = ModelServer(remote)
        for change in _planned(local, remote, prune=prune).changes:
            for operation in change.operations:
                server.do(operation, change)

        again = _planned(local, server.pipelines, prune=prune)

        assert again.changes == ()
        assert set(again.unchanged) == set(local)

    @given(_local(), _remote(), st.booleans(), st.data())
    def test_an_interrupted_deployment_continues_to_the_same_end(self, local, remote, prune, data):
        whole, broken = ModelServer(remote), ModelServer(remote)
        for change in _planned(local, remote, prune=prune).changes:
            for operation in change.operations:
                whole.do(operation, change)
            # Pipelines are changed at the same time, so any of them can be in any state.
            done = data.draw(st.integers(0, len(change.operations)))
            for operation in change.operations[:done]:
                broken.do(operation, change)

        for change in _planned(local, broken.pipelines, prune=prune).changes:
            for operation in change.operations:
                broken.do(operation, change)

        assert _comparable(broken) == _comparable(whole)

    @given(_local(), _remote())
    def test_the_server_is_then_like_the_folder(self, local, remote):
        server = ModelServer(remote)
        for change in _planned(local, remote).changes:
            for operation in change.operations:
                server.do(operation, change)

        for slug, each in local.items():
            there = server.pipelines[slug]
            settings = each.settings
            assert (there.digest, there.format) == (each.digest, each.format)
            assert (there.managed_by, there.source) == ("git", SOURCE)
            assert there.status is not PipelineStatus.ARCHIVED
            assert settings.tags is None or set(settings.tags) == set(there.tags)
            assert settings.paused in (None, there.status is PipelineStatus.PAUSED)
            if settings.schedules is not None:
                found = {schedule.settings.name: schedule.settings for schedule in there.schedules}
                assert len(found) == len(there.schedules)
                assert found == {schedule.name: schedule for schedule in settings.schedules}

    @given(_local(), _remote(), st.booleans())
    def test_pipelines_of_others_do_not_change(self, local, remote, prune):
        changed = {change.slug for change in _planned(local, remote, prune=prune).changes}

        for slug in changed - set(local):
            assert prune
            assert (remote[slug].managed_by, remote[slug].source) == ("git", SOURCE)

    @given(_local(), _remote())
    def test_an_unchanged_text_makes_no_version(self, local, remote):
        for change in _planned(local, remote).changes:
            there = remote.get(change.slug)
            if there is not None and change.local is not None:
                is_same = (there.digest, there.format) == (change.local.digest, change.local.format)
                assert is_same != change.has_new_text

    @given(_local(), _remote())
    def test_what_is_not_managed_does_not_change(self, local, remote):
        server = ModelServer(remote)
        for change in _planned(local, remote).changes:
            for operation in change.operations:
                server.do(operation, change)

        for slug in local.keys() & remote.keys():
            settings, before, after = local[slug].settings, remote[slug], server.pipelines[slug]
            assert settings.tags is not None or after.tags == before.tags
            assert settings.schedules is not None or after.schedules == before.schedules
            if settings.paused is None and before.status is not PipelineStatus.ARCHIVED:
                assert after.status == before.status


def _comparable(server: ModelServer) -> object:
    return {
        slug: (
            each.digest,
            each.format,
            each.status,
            set(each.tags),
            each.managed_by,
            each.source,
            sorted(repr(schedule.settings) for schedule in each.schedules),
        )
        for slug, each in server.pipelines.items()
    }


class TestOrder:
    def test_a_pause_comes_before_new_schedules(self):
        settings = PipelineSettings(paused=True, schedules=(ScheduleSettings("a", "0 1 * * *"),))
        local = {"a": LocalPipeline("a", "a.yaml", "one", settings=settings)}

        (change,) = _planned(local, {}).changes

        assert [type(each) for each in change.operations] == [
            plan.Create,
            plan.PausePipeline,
            plan.CreateSchedule,
        ]

    def test_the_end_of_a_pause_comes_after_them(self):
        settings = PipelineSettings(paused=False, schedules=(ScheduleSettings("a", "0 1 * * *"),))
        local = {"a": LocalPipeline("a", "a.yaml", "one", settings=settings)}
        remote = RemotePipeline(
            "id", "a", 1, digest_of("one"), status=PipelineStatus.PAUSED, managed_by="git",
            source=SOURCE,
        )  # fmt: skip

        (change,) = _planned(local, {"a": remote}).changes

        assert [type(each) for each in change.operations] == [
            plan.CreateSchedule,
            plan.ResumePipeline,
        ]


class TestOthers:
    def test_a_pipeline_without_a_file_is_named_and_kept(self):
        remote = RemotePipeline("id", "a", 1, "x", managed_by="git", source=SOURCE)

        kept, pruned = (_planned({}, {"a": remote}, prune=prune) for prune in (False, True))

        assert (kept.changes, kept.without_file) == ((), ("a",))
        assert pruned.without_file == ()
        assert [change.action for change in pruned.changes] == [PlanAction.ARCHIVE]

    def test_a_pipeline_of_another_source_is_named(self):
        local = {"a": LocalPipeline("a", "a.yaml", "one")}
        remote = RemotePipeline("id", "a", 1, "x", managed_by="git", source="elsewhere")

        assert _planned(local, {"a": remote}).elsewhere == (remote,)


class TestCanonical:
    def test_order_and_whole_numbers_make_no_difference(self):
        assert canonical({"b": 1.0, "a": [2]}) == canonical({"a": [2.0], "b": 1})

    def test_true_is_not_one(self):
        assert canonical({"a": True}) != canonical({"a": 1})
