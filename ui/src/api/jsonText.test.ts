import fc from "fast-check";
import { expect, test } from "vitest";
import { jsonText, keepsNumbers, memberText } from "./jsonText";

test("texts are added as they were typed", () => {
  const text = jsonText(
    { from: "start", version: undefined },
    { 'a "b"': '{"id": 2e70, "n": 8.0}' },
  );

  expect(text).toBe('{"from":"start","a \\"b\\"":{"id": 2e70, "n": 8.0}}');
});

test("without texts, it is the JSON of the object", () => {
  expect(jsonText({ a: [1, null], b: "x" }, {})).toBe('{"a":[1,null],"b":"x"}');
  expect(jsonText({}, {})).toBe("{}");
});

test("a member is read with all digits of its numbers", () => {
  const json =
    '{"id":"input","other":{"input":1},"input":{"id":1180591620717411303424,"n":8.0},"z":2}';

  expect(memberText(json, "input")).toBe('{\n  "id": 1180591620717411303424,\n  "n": 8.0\n}');
  expect(memberText(json, "z")).toBe("2");
  expect(memberText(json, "missing")).toBe("");
});

test("brackets in texts are part of the texts", () => {
  const value = ["}", "{", { "[": ["]", []], ":": 'a\\",b' }, {}];

  expect(memberText(JSON.stringify({ value }), "value")).toBe(JSON.stringify(value, null, 2));
});

test("finds numbers that parsing changes, but not those in texts", () => {
  expect(keepsNumbers('{"a": [8, -1.5, 0], "b": "8.0"}')).toBe(true);
  expect(keepsNumbers('{"a": 8.0}')).toBe(false);
  expect(keepsNumbers("1180591620717411303424")).toBe(false);
});

test("any value is indented as JavaScript does it", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.string(), (value, name) => {
      const json = JSON.stringify({ before: value, [`${name} `]: value, after: value });

      expect(memberText(json, `${name} `)).toBe(JSON.stringify(value, null, 2));
    }),
  );
});
