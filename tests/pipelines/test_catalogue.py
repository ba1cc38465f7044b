class TestListModels:
    async def test_every_model_says_whether_it_can_be_used_and_if_not_why(self, owner):
        page = (await owner.get("/api/models")).json()

        models = {model["id"]: model for model in page["data"]}
        model = models["openai/gpt-4o"]
        assert page["next_cursor"] is None
        assert model["usable"] is False
        assert "OPENAI_API_KEY" in model["reason"]
        assert model["input_usd_per_million"] > 0
        assert "json" in model["capabilities"]


class TestListProviders:
    async def test_it_is_not_taken_for_a_model(self, owner):
        page = (await owner.get("/api/models/providers")).json()

        providers = {provider["id"]: provider for provider in page["data"]}
        assert providers["openai"]["usable"] is False
        assert providers["openai"]["source"] == "none"
        assert "openai/gpt-4o" in providers["openai"]["models"]


class TestGetModel:
    async def test_a_name_with_its_provider_or_without_finds_the_same(self, owner):
        with_provider = await owner.get("/api/models/openai/gpt-4o")
        without = await owner.get("/api/models/gpt-4o")

        assert with_provider.json() == without.json()
        assert with_provider.json()["id"] == "openai/gpt-4o"

    async def test_an_unknown_one_is_not_found(self, owner):
        response = await owner.get("/api/models/nonsense/gpt")

        assert response.status_code == 404
        assert response.json()["code"] == "model_not_found"

    async def test_an_unknown_one_gets_a_suggestion(self, owner):
        detail = (await owner.get("/api/models/gpt4o")).json()["detail"]

        assert detail.startswith("The catalog has no model `gpt4o`. Did you mean `openai/gpt-4o`")
        assert detail.endswith("? To list all models, use GET /api/models.")


class TestOwnKey:
    async def test_a_provider_is_usable_with_the_accounts_own_key(self, owner, account, make):
        before = (await owner.get("/api/models/openai/gpt-4o-mini")).json()
        await make.secret(account, "OPENAI_API_KEY")

        providers = {p["id"]: p for p in (await owner.get("/api/models/providers")).json()["data"]}
        models = {m["id"]: m for m in (await owner.get("/api/models")).json()["data"]}
        after = (await owner.get("/api/models/openai/gpt-4o-mini")).json()

        assert not before["usable"]
        assert "the secret `OPENAI_API_KEY`" in before["reason"]
        assert (providers["openai"]["source"], providers["openai"]["usable"]) == (
            "account_key",
            True,
        )
        assert models["openai/gpt-4o-mini"]["usable"]
        assert after["usable"]

    async def test_nobody_elses_counts(self, owner, stranger, make):
        await make.secret(stranger, "OPENAI_API_KEY")

        assert not (await owner.get("/api/models/openai/gpt-4o-mini")).json()["usable"]
