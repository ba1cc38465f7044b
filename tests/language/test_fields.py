from dataclasses import dataclass

from stepiq.core.json import Json
from stepiq.language.fields.description import (
    FieldObject,
    boolean,
    computed,
    embedded,
    integer,
    needed_by,
    node_of,
    objects,
    read,
    text,
)
from stepiq.language.fields.reader import FieldReader, Report


def refuse_quotes(fields: FieldReader, name: str, value: str) -> None:
    if '"' in value:
        fields.refuse(name, "not_allowed", f"`{name}` cannot contain a quote.")


@dataclass(frozen=True, slots=True)
class Size(FieldObject):
    width: int = integer("Width", "In cells.", 1, 9).required("width: 3")
    height: int = integer("Height", "In cells.", 1, 9).default(2)


@dataclass(frozen=True, slots=True)
class Sheet(FieldObject):
    words = ("Sheet", "A `sheet` of cells.")

    title: str = (
        text("Title", "What it shows.", maximum=5)
        .checked(refuse_quotes)
        .required("title: A", name="name")
    )
    size: Size = embedded(Size)  # noqa: RUF009 - a description, not a value
    area: int = computed(lambda fields: 0 if fields.has("width") else 1)
    hidden: bool = boolean("Hidden", "Whether it is shown.").default(False)
    note: str | None = text("Note", "For people.", maximum=9).converted(str.strip).optional()
    parts: tuple[Size, ...] = objects("Parts", "Other sizes.", Size, 1, 2, "{width: 3}").default(())  # fmt: skip

    @classmethod
    def check(cls, fields: FieldReader) -> None:
        if fields.has("note") and fields.raw("hidden") is True:
            fields.refuse("note", "conflict", "Nobody sees it.")


def sheet(**written: Json) -> tuple[Sheet | None, list[tuple[str, str]]]:
    """The object, and the path and code of each problem."""
    report = Report()
    made = read(Sheet, FieldReader(report, (), written, node_of(Sheet)["properties"]))
    return made, [(".".join(map(str, each.path)), each.code) for each in report.problems]


class TestRead:
    def test_values_are_read_and_defaults_filled_in(self):
        made, problems = sheet(name="A", width=3, note=" x ", parts=[{"width": 1}])

        assert made == Sheet("A", Size(3), 0, False, "x", (Size(1),))
        assert problems == []

    def test_null_counts_as_absent(self):
        assert sheet(name="A", width=3, height=None, hidden=None)[0] == Sheet("A", Size(3), 0)

    def test_all_problems_are_reported_and_an_invalid_optional_field_has_its_default(self):
        made, problems = sheet(name='"', width=3, hidden=1, note="x", parts=[{}, {"width": 1}, 2])

        assert made == Sheet('"', Size(3), 0, note="x")
        assert problems == [
            ("name", "not_allowed"),
            ("hidden", "wrong_type"),
            ("parts", "too_long"),
        ]

    def test_invalid_items_of_a_list_are_left_out(self):
        made, problems = sheet(name="A", width=3, parts=[{}, {"width": 1}])

        assert made is not None
        assert made.parts == (Size(1),)
        assert problems == [("parts.0.width", "required")]

    def test_there_is_no_object_without_a_required_field(self):
        assert sheet(width=3) == (None, [("name", "required")])
        assert sheet(name="A") == (None, [("width", "required")])

    def test_fields_are_checked_together_after_all_are_read(self):
        assert sheet(name=1, width=3, note="x", hidden=True) == (
            None,
            [("name", "wrong_type"), ("note", "conflict")],
        )


class TestNodeOf:
    def test_it_is_the_json_schema_of_the_same_fields(self):
        node = node_of(Sheet)

        assert (node["title"], node["description"]) == ("Sheet", "A sheet of cells.")
        assert [*node["properties"]] == ["name", "width", "height", "hidden", "note", "parts"]
        assert node["required"] == ["name", "width"] == [*needed_by(Sheet)]
        assert node["properties"]["name"]["maxLength"] == 5
        assert node["properties"]["height"] == {
            "title": "Height", "description": "In cells.", "type": ["integer", "null"], "minimum": 1, "maximum": 9, "default": 2,
        }  # fmt: skip
