from stepiq.core.settings.model import Settings, load
from stepiq.core.settings.oidc import OidcSettings
from stepiq.server.checks import Status
from stepiq.server.checks.configuration import check_identity_providers
from tests.support.false_oidc_provider import CLIENT_SECRET, running_false_provider


def configured(**providers) -> Settings:
    found = {name: OidcSettings.model_validate(table) for name, table in providers.items()}
    return load().model_copy(update={"oidc": found})


async def test_without_providers_nothing_is_reported(folder):
    assert await check_identity_providers(load()) == []


async def test_a_provider_that_responds_is_well_and_shows_its_redirect_uri(folder):
    async with running_false_provider() as provider:
        found = await check_identity_providers(configured(company=provider.settings()))

    assert [(each.name, each.status) for each in found] == [("sign-in company", Status.OK)]
    assert "http://127.0.0.1:8080/api/auth/oidc/company/callback" in found[0].detail


async def test_another_issuer_fails(folder):
    async with running_false_provider() as provider:
        provider.metadata = {"issuer": "https://evil.example"}
        found = await check_identity_providers(configured(company=provider.settings()))

    assert found[0].status is Status.FAILED
    assert "https://evil.example" in found[0].detail


async def test_a_provider_that_does_not_respond_fails_and_others_are_checked(folder):
    async with running_false_provider() as provider:
        broken = {"issuer": "http://127.0.0.1:1", "client_id": "me", "client_secret": CLIENT_SECRET}
        found = await check_identity_providers(configured(a=broken, b=provider.settings()))

    assert [each.status for each in found] == [Status.FAILED, Status.OK]
    assert "127.0.0.1" in found[0].detail
    assert all(CLIENT_SECRET not in each.detail + each.advice for each in found)


async def test_a_missing_variable_of_the_secret_fails(folder):
    async with running_false_provider() as provider:
        table = {
            "issuer": provider.issuer,
            "client_id": "me",
            "client_secret_env": "NO_SUCH_VARIABLE",
        }
        found = await check_identity_providers(configured(company=table))

    assert found[0].status is Status.FAILED
    assert "NO_SUCH_VARIABLE is not set" in found[0].detail
