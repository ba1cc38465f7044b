import pytest

from stepiq.core import ids
from stepiq.core.json import MAX_NUMBER_DIGITS
from tests.support.encodings import kept_encodings
from tests.support.pace import cpu_limit

pytestmark = pytest.mark.one_store

KEYS = "/api/user/api-keys"
HOSTILE = {
    "nothing like JSON": b"name=x",
    "a depth of 100,000": b"[" * 100_000,
    "a depth of 100,000 inside a string's value": b'{"name":' + b'{"a":' * 40_000,
    "NaN": b'{"name":NaN}',
    "Infinity": b'{"name":-Infinity}',
    "a number beyond a double": b'{"name":1e999}',
    "a lone surrogate": b'{"name":"\\ud800"}',
    "a lone surrogate in a name": b'{"\\udfff":1}',
    "an escaped NUL": b'{"name":"a\\u0000b"}',
    "a raw NUL": b'{"name":"a\x00b"}',
    "duplicate names": b'{"name":"a","name":"b"}',
    "a number of 250,000 digits": b'{"name":' + b"9" * 250_000 + b"}",
    "a number just too long": b'{"name":' + b"9" * (MAX_NUMBER_DIGITS + 1) + b"}",
    "an unterminated string of escaped quotes": b'"' + b'\\"' * 120_000,
    "invalid UTF-8": b'{"name":"\xff\xfe"}',
    "UTF-16": '{"name":"x"}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "two values": b"{} {}",
    "an open object": b'{"name":"x"',
}


class TestHostileBodies:
    @pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
    async def test_they_are_refused_with_a_code_within_a_second(self, owner, body):
        await owner.get("/api/user/me")  # the first request of an app builds its routes

        # The server is this process: its own seconds count, not those of its neighbours on the machine.
        with cpu_limit(1):
            response = await owner.post(
                KEYS, content=body, headers={"Content-Type": "application/json"}
            )

        assert response.status_code == 400
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.json()["code"] == "malformed_json"

    @pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
    async def test_whoever_has_no_credential_learns_only_that(self, client, body):
        response = await client.post(
            KEYS, content=body, headers={"Content-Type": "application/json"}
        )

        assert response.status_code == 401

    async def test_a_million_digits_are_more_than_a_body_holds(self, owner):
        body = b'{"name":' + b"9" * 1_000_000 + b"}"
        response = await owner.post(
            KEYS, content=body, headers={"Content-Type": "application/json"}
        )

        assert response.json()["code"] == "body_too_large"

    async def test_the_message_says_where(self, owner):
        response = await owner.post(
            KEYS, content=b'{"name": }', headers={"Content-Type": "application/json"}
        )

        assert "line 1, column 10" in response.json()["detail"]


class TestContentType:
    @pytest.mark.parametrize(
        "content_type",
        [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/yaml",
            "application/json; charset=utf-16",
            "application/json; charset=latin-1",
            "application/json; charset*=utf-8''utf-8",
            "json",
            "text/json",
            "application/jsonx",
        ],
    )
    async def test_another_one_is_refused_and_the_right_one_named(self, owner, content_type):
        response = await owner.post(
            KEYS, content=b'{"name":"x"}', headers={"Content-Type": content_type}
        )

        assert response.status_code == 415
        assert response.json()["code"] == "unsupported_media_type"
        assert "application/json" in response.json()["detail"]

    async def test_a_long_one_is_refused_without_reading_all_of_it(self, owner):
        content_type = 'application/json; a="' + ";" * 15_000
        await owner.get("/api/user/me")  # the first request of an app builds its routes

        with cpu_limit(0.05):
            response = await owner.post(
                KEYS, content=b'{"name":"x"}', headers={"Content-Type": content_type}
            )

        assert response.status_code == 415
        assert len(response.content) < 1_000

    async def test_names_of_encodings_are_not_kept(self, owner):
        content_type = "application/json; charset*=nonsense-2''utf-8"

        response = await owner.post(
            KEYS, content=b'{"name":"x"}', headers={"Content-Type": content_type}
        )

        assert response.status_code == 415
        assert kept_encodings("nonsense_2") == []

    async def test_none_at_all_is_refused(self, owner):
        response = await owner.post(KEYS, content=b'{"name":"x"}')

        assert response.status_code == 415

    @pytest.mark.parametrize(
        "content_type",
        ["application/json", "Application/JSON; charset=UTF-8", "application/vnd.api+json"],
    )
    async def test_json_under_any_of_its_names_is_read(self, owner, content_type):
        response = await owner.post(
            KEYS, content=b'{"name":"x"}', headers={"Content-Type": content_type}
        )

        assert response.status_code == 201


class TestShape:
    async def test_an_empty_body_says_what_to_send(self, owner):
        response = await owner.post(KEYS, headers={"Content-Type": "application/json"})

        assert response.status_code == 400
        assert response.json()["code"] == "body_missing"

    async def test_an_unknown_field_is_named_with_the_one_that_was_meant(self, owner):
        response = await owner.post(KEYS, json={"name": "x", "scope": ["account:read"]})

        assert response.status_code == 422
        assert response.json()["code"] == "invalid_body"
        assert response.json()["errors"] == [
            {
                "path": "scope",
                "code": "unknown_field",
                "message": "Unknown field. Did you mean `scopes`? Allowed: `name`, `scopes`, `expires_at`.",
            }
        ]

    async def test_of_many_mistakes_the_first_hundred_are_reported(self, owner):
        body = {f"field_{number}": 1 for number in range(10_000)}

        response = await owner.post(KEYS, json={"name": "x", **body})

        assert response.status_code == 422
        assert [each["path"] for each in response.json()["errors"]] == [*body][:100]

    async def test_an_unknown_field_like_no_other_lists_the_known_ones(self, owner):
        response = await owner.post(KEYS, json={"name": "x", "zzz": 1})

        assert "`expires_at`" in response.json()["errors"][0]["message"]

    async def test_a_body_that_may_be_left_out_names_its_fields_too(self, owner):
        response = await owner.post(f"/api/pipelines/{ids.uuid7()}/run", json={"inputs": {}})

        assert response.json()["errors"][0]["message"].startswith(
            "Unknown field. Did you mean `input_data`? Allowed: `input_data`, `version`."
        )

    @pytest.mark.parametrize("slip", ["pipelines:raed", "Pipelines:Read"])
    async def test_a_slip_in_a_fixed_word_is_told_with_the_one_that_was_meant(self, owner, slip):
        response = await owner.post(KEYS, json={"name": "x", "scopes": [slip]})

        message = response.json()["errors"][0]["message"]
        assert message.endswith("Did you mean `pipelines:read`?")

    @pytest.mark.parametrize("word", ["zzz", "pipelines:run"])
    async def test_a_word_like_none_of_the_fixed_ones_lists_them(self, owner, word):
        response = await owner.post(KEYS, json={"name": "x", "scopes": [word]})

        message = response.json()["errors"][0]["message"]
        assert "`pipelines:read`" in message
        assert "Did you mean" not in message

    @pytest.mark.parametrize("instant", ["tomorrow", "2030-01-31T12:00:00", "2030-13-31T12:00:00Z"])
    async def test_what_is_no_instant_is_told_how_one_is_written(self, owner, instant):
        response = await owner.post(KEYS, json={"name": "x", "expires_at": instant})

        assert "2030-01-31T12:00:00Z" in response.json()["errors"][0]["message"]

    async def test_everything_wrong_is_listed_at_once(self, owner):
        response = await owner.post(KEYS, json={"name": 1, "scopes": ["pipelines:fly"]})

        paths = [entry["path"] for entry in response.json()["errors"]]
        assert paths == ["name", "scopes[0]"]

    @pytest.mark.parametrize("body", ["[]", '"x"', "1", "null", "true"])
    async def test_json_that_is_no_object_is_refused(self, owner, body):
        response = await owner.post(
            KEYS, content=body, headers={"Content-Type": "application/json"}
        )

        assert response.status_code == 422
        assert response.json()["code"] == "invalid_body"

    async def test_a_body_sent_to_a_route_without_one_is_ignored(self, owner):
        response = await owner.request(
            "GET", "/api/user/me", content=b"{", headers={"Content-Type": "application/json"}
        )

        assert response.status_code == 200
