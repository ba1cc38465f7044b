import base64
import json
from datetime import timedelta

import jwt
import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from stepiq.accounts.actor import ALL_SCOPES, Credential, Scope
from stepiq.accounts.authentication.authenticator import CACHE_LIFETIME, Authenticator
from stepiq.accounts.credentials import api_keys as keys
from stepiq.accounts.credentials.tokens import ACCESS_LIFETIME, AccessTokens
from stepiq.accounts.errors import CredentialInvalid, CredentialMissing
from stepiq.accounts.queries import last_used
from stepiq.store.tables import api_keys, sessions, workspaces

pytestmark = pytest.mark.one_store

SECRET = b"0123456789abcdef0123456789abcdef"
AUDIENCE = "http://127.0.0.1:8080"


@pytest.fixture
def tokens():
    return AccessTokens(SECRET, AUDIENCE)


@pytest.fixture
async def authenticator(database, tokens):
    authenticator = Authenticator(database, tokens)
    yield authenticator
    await authenticator.settle()


@pytest.fixture
async def bearer(make, tokens, account):
    opened = await make.session(account)
    return f"Bearer {tokens.issue(account.id, opened.session_id)}"


@pytest.fixture
async def key(make, account):
    return await make.api_key(account)


async def update(database, table, **values):
    async with database.transaction() as session:
        await session.execute(sa.update(table).values(**values))


class TestSession:
    async def test_its_holder_may_do_everything(self, authenticator, bearer, account):
        actor = await authenticator.authenticate(bearer, None)

        assert actor.user_id == account.id
        assert actor.workspace_id == account.workspace_id
        assert actor.credential is Credential.SESSION
        assert actor.scopes == ALL_SCOPES
        assert actor.plan == "enterprise"

    async def test_a_revoked_session_is_refused_within_five_seconds(
        self, authenticator, bearer, database, clock
    ):
        await authenticator.authenticate(bearer, None)
        await update(database, sessions, revoked_at=clock.now())

        clock.advance(CACHE_LIFETIME)

        with pytest.raises(CredentialInvalid):
            await authenticator.authenticate(bearer, None)
        assert timedelta(seconds=5) >= CACHE_LIFETIME

    async def test_a_plan_changes_within_five_seconds(self, authenticator, bearer, database, clock):
        await authenticator.authenticate(bearer, None)
        await update(database, workspaces, plan="pro")

        clock.advance(CACHE_LIFETIME)

        assert (await authenticator.authenticate(bearer, None)).plan == "pro"

    async def test_a_disabled_account_has_none(self, authenticator, bearer, make, account):
        await make.disable(account)

        with pytest.raises(CredentialInvalid):
            await authenticator.authenticate(bearer, None)

    async def test_another_users_session_does_not_count(
        self, authenticator, tokens, make, account, stranger
    ):
        opened = await make.session(account)
        mixed = f"Bearer {tokens.issue(stranger.id, opened.session_id)}"

        with pytest.raises(CredentialInvalid):
            await authenticator.authenticate(mixed, None)

    @pytest.mark.parametrize(
        "header",
        ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer x", "Bearer a.b.c", "Bearer sk_live_x"],
    )
    async def test_a_malformed_header_is_refused(self, authenticator, header):
        with pytest.raises(CredentialInvalid):
            await authenticator.authenticate(header, None)


class TestToken:
    def _claims(self, clock, **changes):
        now = int(clock.now().timestamp())
        return {
            "iss": "stepiq",
            "aud": AUDIENCE,
            "sub": "01900000-0000-7000-8000-000000000001",
            "sid": "01900000-0000-7000-8000-000000000002",
            "iat": now,
            "exp": now + 900,
        } | changes

    def _sign(self, claims, algorithm="HS256", secret=SECRET, typ="at+jwt"):
        return jwt.encode(claims, secret, algorithm, headers={"typ": typ})

    def test_a_right_one_counts(self, tokens, clock):
        assert tokens.check(self._sign(self._claims(clock)))

    def test_it_ends_after_15_minutes(self, tokens, clock):
        token = self._sign(self._claims(clock))

        clock.advance(ACCESS_LIFETIME)

        with pytest.raises(CredentialInvalid):
            tokens.check(token)

    @pytest.mark.parametrize(
        "changes",
        [
            {"iss": "other"},
            {"aud": "http://other"},
            {"sub": "1"},
            {"sid": "1"},
            {"exp": "soon"},
            {"exp": None},
            {"aud": None},
        ],
    )
    def test_a_wrong_claim_is_refused(self, tokens, clock, changes):
        claims = self._claims(clock, **changes)
        claims = {name: value for name, value in claims.items() if value is not None}

        with pytest.raises(CredentialInvalid):
            tokens.check(self._sign(claims))

    @pytest.mark.parametrize("name", ["iss", "aud", "sub", "sid", "iat", "exp"])
    def test_a_missing_claim_is_refused(self, tokens, clock, name):
        claims = self._claims(clock)
        del claims[name]

        with pytest.raises(CredentialInvalid):
            tokens.check(self._sign(claims))

    def test_another_kind_of_token_is_refused(self, tokens, clock):
        with pytest.raises(CredentialInvalid):
            tokens.check(self._sign(self._claims(clock), typ="JWT"))

    def test_another_key_is_refused(self, tokens, clock):
        with pytest.raises(CredentialInvalid):
            tokens.check(self._sign(self._claims(clock), secret=b"x" * 32))

    @pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
    @pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
    def test_another_algorithm_is_refused(self, tokens, clock, algorithm):
        with pytest.raises(CredentialInvalid):
            tokens.check(self._sign(self._claims(clock), algorithm=algorithm))

    def test_no_signature_is_refused(self, tokens, clock):
        def part(value):
            return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

        head = part({"alg": "none", "typ": "at+jwt"})

        with pytest.raises(CredentialInvalid):
            tokens.check(f"{head}.{part(self._claims(clock))}.")

    def test_a_deep_header_is_refused(self, tokens):
        deep = base64.urlsafe_b64encode(b"[" * 1_400).rstrip(b"=").decode()

        with pytest.raises(CredentialInvalid):
            tokens.check(f"{deep}.e30.x")

    def test_a_long_one_is_not_read(self, tokens):
        with pytest.raises(CredentialInvalid):
            tokens.check("x" * 10_000)


class TestKey:
    async def test_its_holder_may_do_what_its_scopes_say(self, authenticator, make, account):
        key = await make.api_key(account, scopes=[Scope.PIPELINES_READ])

        actor = await authenticator.authenticate(None, key.text)

        assert actor.credential is Credential.API_KEY
        assert actor.key_id == key.id
        assert actor.scopes == {Scope.PIPELINES_READ}

    async def test_an_administrators_key_is_no_administrator(self, authenticator, make):
        key = await make.api_key(await make.user(is_admin=True))

        assert not (await authenticator.authenticate(None, key.text)).is_admin

    async def test_a_scope_of_another_version_gives_nothing(self, authenticator, key, database):
        await update(database, api_keys, scopes=["pipelines:read", "moon:land"])

        actor = await authenticator.authenticate(None, key.text)

        assert actor.scopes == {Scope.PIPELINES_READ}

    async def test_a_revoked_key_is_refused_within_five_seconds(
        self, authenticator, key, database, clock
    ):
        await authenticator.authenticate(None, key.text)
        await update(database, api_keys, revoked_at=clock.now())

        clock.advance(CACHE_LIFETIME)

        with pytest.raises(CredentialInvalid):
            await authenticator.authenticate(None, key.text)

    async def test_one_that_expires_is_refused_on_time(self, authenticator, make, account, clock):
        key = await make.api_key(account, expires_at=clock.now() + timedelta(seconds=2))
        await authenticator.authenticate(None, key.text)

        clock.advance(timedelta(seconds=2))

        with pytest.raises(CredentialInvalid):
            await authenticator.authenticate(None, key.text)

    async def test_an_unknown_one_is_refused(self, authenticator):
        with pytest.raises(CredentialInvalid):
            await authenticator.authenticate(None, keys.generate().text)


class TestStoreAway:
    async def test_noting_a_use_fails_without_failing_the_request(
        self, authenticator, key, monkeypatch, clock
    ):
        from stepiq.store.database import StoreUnavailable

        await authenticator.authenticate(None, key.text)
        await authenticator.settle()

        async def fails(*_, **__):
            raise StoreUnavailable("away")

        monkeypatch.setattr(last_used, "touch", fails)
        clock.advance(last_used.INTERVAL)

        assert await authenticator.authenticate(None, key.text)
        await authenticator.settle()

    async def test_a_use_that_cannot_be_noted_does_not_break_the_stop(
        self, authenticator, monkeypatch, key
    ):
        async def breaks(*_, **__):
            raise RuntimeError("broke")

        monkeypatch.setattr(last_used, "touch", breaks)
        await authenticator.authenticate(None, key.text)

        with capture_logs() as logs:
            await authenticator.settle()

        assert [line["event"] for line in logs] == ["task_failed"]


class TestBoth:
    async def test_of_one_workspace_the_session_acts(self, authenticator, bearer, key):
        actor = await authenticator.authenticate(bearer, key.text)

        assert actor.credential is Credential.SESSION

    async def test_of_two_workspaces_are_refused(self, authenticator, bearer, make, stranger):
        key = await make.api_key(stranger)

        with pytest.raises(CredentialInvalid):
            await authenticator.authenticate(bearer, key.text)

    async def test_one_of_them_bad_is_refused(self, authenticator, bearer, key):
        with pytest.raises(CredentialInvalid):
            await authenticator.authenticate(bearer, "sk_live_x")
        with pytest.raises(CredentialInvalid):
            await authenticator.authenticate("Bearer x", key.text)

    async def test_none_is_refused(self, authenticator):
        with pytest.raises(CredentialMissing):
            await authenticator.authenticate(None, None)
