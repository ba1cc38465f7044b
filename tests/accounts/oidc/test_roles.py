"""What the groups of a person give."""

import pytest
import sqlalchemy as sa

from stepiq.accounts.workspaces import service as workspaces
from stepiq.store.states import Role
from stepiq.store.tables import memberships
from tests.accounts.oidc.conftest import failure, log_in, opened
from tests.support.audit_log import recorded

pytestmark = pytest.mark.usefixtures("account")

EMAIL = "ada@example.com"


class TestRoles:
    @pytest.fixture
    async def workspace(self, make):
        return await make.workspace()

    @pytest.fixture
    def make_owners(self, database, workspace):
        """Makes all members of the workspace owners."""

        async def make_owners():
            async with database.transaction() as session:
                await session.execute(
                    sa.update(memberships)
                    .where(memberships.c.workspace_id == workspace)
                    .values(role="owner")
                )

        return make_owners

    @pytest.fixture
    def with_groups(self, false_provider, configure, browser):
        """Signs in with groups, after configuring the provider."""

        async def with_groups(*groups, **table):
            await configure(false_provider.settings(**table))
            false_provider.claims = {"groups": list(groups)}
            return await browser.sign_in()

        return with_groups

    async def test_the_highest_role_counts(self, with_groups, workspace, accounts):
        table = {
            "workspace": str(workspace),
            "groups": {"a": {"role": "operator"}, "b": [{"role": "admin"}, {"role": "viewer"}]},
        }

        opened(await with_groups("a", "b", **table))

        assert await accounts.roles(EMAIL) == {workspace: "admin"}

    async def test_everybody_can_have_a_role(self, with_groups, workspace, accounts):
        opened(await with_groups(workspace=str(workspace), role="operator"))

        assert await accounts.roles(EMAIL) == {workspace: "operator"}

    async def test_several_workspaces_from_one_group(self, with_groups, make, accounts):
        first, second = await make.workspace(), await make.workspace()
        grants = [
            {"role": "editor", "workspace": str(first)},
            {"role": "viewer", "workspace": str(second)},
        ]

        opened(await with_groups("eng", groups={"eng": grants}))

        assert await accounts.roles(EMAIL) == {first: "editor", second: "viewer"}

    @pytest.mark.both_stores
    async def test_none_in_a_workspace_that_is_being_erased(
        self, with_groups, make, accounts, database
    ):
        left, erased = await make.workspace(), await make.workspace()
        grants = [{"role": "editor", "workspace": str(each)} for each in (left, erased)]
        async with database.transaction() as session:
            await workspaces.close(session, [erased], is_erased=True)

        opened(await with_groups("eng", groups={"eng": grants}))

        added = [row for row in await recorded(database) if row.action == "member.added"]
        assert await accounts.roles(EMAIL) == {left: "editor"}
        assert [row.workspace_id for row in added] == [left]

    async def test_a_nested_claim_can_have_the_groups(
        self, false_provider, configure, browser, workspace, accounts
    ):
        table = {
            "group_claim": "realm_access.roles",
            "groups": {"eng": {"role": "editor", "workspace": str(workspace)}},
        }
        await configure(false_provider.settings(**table))
        false_provider.claims = {"realm_access": {"roles": ["eng"]}}

        opened(await browser.sign_in())

        assert await accounts.roles(EMAIL) == {workspace: "editor"}

    async def test_a_membership_from_elsewhere_is_not_changed(
        self, with_groups, workspace, browser, make, accounts
    ):
        account = await make.user(email="bob@example.com")
        await make.join(account, workspace, Role.ADMIN)
        await log_in(browser, account.email)
        groups = {"eng": {"role": "viewer", "workspace": str(workspace)}}
        await with_groups("eng", groups=groups)
        await browser.sign_in(connect="true")
        given = await accounts.roles(account.email)

        await with_groups(groups=groups)

        assert given[workspace] == "admin"
        assert (await accounts.roles(account.email))[workspace] == "admin"

    async def test_the_last_owner_stays(self, with_groups, workspace, accounts, make_owners):
        groups = {"eng": {"role": "admin", "workspace": str(workspace)}}
        await with_groups("eng", groups=groups)
        await make_owners()

        opened(await with_groups(groups=groups))

        assert await accounts.roles(EMAIL) == {workspace: "owner"}

    @pytest.mark.both_stores
    async def test_another_owner_keeps_the_role_and_goes_with_the_group(
        self, with_groups, workspace, accounts, make_owners, make
    ):
        groups = {
            "eng": {"role": "admin", "workspace": str(workspace)},
            "ops": {"role": "viewer", "workspace": str(workspace)},
        }
        other = await make.user()
        await make.join(other, workspace, Role.OWNER)
        await with_groups("eng", groups=groups)
        await make_owners()
        await with_groups("ops", groups=groups)
        kept = await accounts.roles(EMAIL)

        answer = await with_groups(groups=groups)

        assert kept == {workspace: "owner"}
        assert failure(answer) == "no_role"
        assert await accounts.roles(EMAIL) == {}

    @pytest.mark.one_store
    async def test_a_workspace_that_does_not_exist_gives_nothing(self, with_groups):
        missing = "0192f0c1-7c1f-7a52-9a5b-0c5f6f0f8f5e"

        assert failure(await with_groups(workspace=missing)) == "no_role"

    @pytest.mark.both_stores
    async def test_a_group_can_make_an_administrator_and_its_end_undoes_that(
        self, with_groups, accounts, make
    ):
        await make.user(is_admin=True)
        opened(await with_groups("admins", admin_groups=["admins"]))
        before = await accounts.is_admin(EMAIL)

        opened(await with_groups(admin_groups=["admins"]))

        assert before is True
        assert await accounts.is_admin(EMAIL) is False

    async def test_the_last_administrator_stays_one(self, with_groups, accounts, make):
        opened(await with_groups("admins", admin_groups=["admins"]))

        opened(await with_groups(admin_groups=["admins"]))
        kept = await accounts.is_admin(EMAIL)
        await make.user(is_admin=True)
        opened(await with_groups(admin_groups=["admins"]))

        assert kept is True
        assert await accounts.is_admin(EMAIL) is False

    async def test_an_administrator_from_elsewhere_stays_one(
        self, false_provider, configure, browser, make, accounts
    ):
        account = await make.user(is_admin=True)
        await configure(false_provider.settings(admin_groups=["admins"]))
        await log_in(browser, account.email)
        false_provider.claims = {"groups": ["admins"]}
        await browser.sign_in(connect="true")
        false_provider.claims = {"groups": []}

        opened(await browser.sign_in())

        assert await accounts.is_admin(account.email) is True
