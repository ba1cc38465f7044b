"""Edits of what is under review, which must match its schema."""

import pytest

from stepiq.language import offload
from stepiq.store.states import StepStatus

SOURCE = """
name: Sorted letters
input:
  schema:
    letter: {type: string, required: true}
    urgency: {type: string, enum: [low, high]}
steps:
  - id: sort
    model: openai/gpt-4o-mini
    prompt: "Sort this: {{input.letter}}"
    output_schema:
      type: object
      properties:
        kind: {enum: [praise, complaint]}
        stars: {type: array, items: {$ref: "#/$defs/stars"}}
        answer: {$ref: "#"}
      required: [kind]
      $defs: {stars: {type: integer, maximum: 5}}
  - {id: skipped, type: transform, template: "Dear Ada", if: "false"}
  - id: check
    type: human_review
    message: "Is this right?"
    editable: true
    MORE
"""
VALID, INVALID = {"kind": "praise", "stars": [1]}, {"kind": "spam"}
ROWS = {
    "sort": StepStatus.COMPLETED,
    "skipped": StepStatus.SKIPPED,
    "check": StepStatus.WAITING,
}


@pytest.fixture
async def ask_about(account, make):
    """Has a run ask about a value, by default the output of the step before."""

    async def ask_about(more="on_timeout: fail", under_review=VALID):
        pipeline_id = await make.pipeline(account, source=SOURCE.replace("MORE", more))
        review = await make.review(account, pipeline_id, under_review=under_review)
        for ordinal, (step_id, status) in enumerate(ROWS.items()):
            await make.step(review.run_id, step_id, ordinal=ordinal, status=status)
        return review

    return ask_about


def approve(output):
    return {"decision": "approve", "output": output}


class TestEdit:
    @pytest.mark.both_stores
    async def test_one_that_does_not_match_the_output_before_is_refused(self, owner, ask_about):
        review = await ask_about()

        refused = await owner.post(review.url, json=approve(INVALID))

        assert (refused.status_code, refused.json()["code"]) == (422, "review_output_invalid")
        assert refused.json()["errors"] == [
            {
                "path": "output.kind",
                "code": "not_allowed",
                "message": '`output.kind` must be one of "praise", "complaint".',
            }
        ]
        assert (await owner.post(review.url, json=approve({"kind": "complaint"}))).is_success

    async def test_the_holder_of_a_link_is_refused_too(self, client, ask_about, token):
        review = await ask_about()
        body = {"token": token(review), **approve(INVALID)}

        refused = await client.post("/api/reviews/decide", json=body)

        assert (refused.status_code, refused.json()["code"]) == (422, "review_output_invalid")

    @pytest.mark.parametrize(
        ("more", "valid", "invalid"),
        [
            ("input: steps.sort.output", {"kind": "complaint"}, INVALID),
            ("input: steps.sort.output.kind", "complaint", "spam"),
            ("input: steps.sort.output['kind']", "complaint", "spam"),
            ("input: 'steps.sort.output.stars[0]'", 5, 6),
            ("input: '{{ input.urgency }}'", "high", "soon"),
            ("input: input", {"letter": "Hi", "urgency": None}, {"urgency": "low"}),
        ],
    )
    async def test_a_value_whose_schema_is_known_is_checked(
        self, owner, ask_about, more, valid, invalid
    ):
        review = await ask_about(more)

        refused = await owner.post(review.url, json=approve(invalid))
        accepted = await owner.post(review.url, json=approve(valid))

        assert (refused.status_code, accepted.status_code) == (422, 200)

    @pytest.mark.parametrize(
        "more",
        [
            "input: steps.sort.output.kind + '!'",
            "input: 'size(steps.sort.output.stars)'",
            "input: '{\"a\": steps.sort.output}'",
            "input: steps.sort.output.other",
            "input: steps.sort.output.answer",
        ],
    )
    async def test_another_value_can_become_anything(self, owner, ask_about, more):
        review = await ask_about(more)

        assert (await owner.get(review.url)).json()["input_schema"] is None
        assert (await owner.post(review.url, json=approve(INVALID))).status_code == 200

    async def test_the_data_itself_is_accepted_but_not_true_instead_of_1(self, owner, ask_about):
        same = await ask_about(under_review=INVALID)
        number = await ask_about()

        accepted = await owner.post(same.url, json=approve(INVALID))
        refused = await owner.post(number.url, json=approve({"kind": "praise", "stars": [True]}))

        assert (accepted.status_code, refused.status_code) == (200, 422)

    async def test_the_transaction_that_decides_does_not_check_it_again(
        self, owner, client, ask_about, token, monkeypatch
    ):
        checked_inside = []
        monkeypatch.setattr(offload, "metered_apart", lambda *given: checked_inside.append(given))
        review = await ask_about()

        by_member = await owner.post(review.url, json=approve(INVALID))
        body = {"token": token(review), **approve(INVALID)}
        by_link = await client.post("/api/reviews/decide", json=body)

        assert (by_member.status_code, by_link.status_code) == (422, 422)
        assert checked_inside == []


class TestSchema:
    @pytest.mark.both_stores
    async def test_members_and_holders_of_links_get_it(self, owner, client, ask_about, token):
        review = await ask_about("input: steps.sort.output.kind", under_review="praise")

        member = await owner.get(review.url)
        holder = await client.post("/api/reviews/open", json={"token": token(review)})

        for answer in (member, holder):
            assert answer.json()["input_schema"]["enum"] == ["praise", "complaint"]
