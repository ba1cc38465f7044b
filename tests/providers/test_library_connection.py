from stepiq.providers.pydantic_ai.connection import LibraryConnection
from tests.providers.conftest import KEY, Configure


async def test_a_thousand_names_do_not_stay_in_memory(configured: Configure):
    source = configured(anthropic_api_key=KEY).resolve("anthropic/x").source

    async with source.lease(None) as connection:
        assert isinstance(connection, LibraryConnection)
        for number in range(1000):
            connection.model(f"model-{number}")

        assert len(connection._models) == 100
