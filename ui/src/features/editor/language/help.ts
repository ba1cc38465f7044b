import { autocompletion } from "@codemirror/autocomplete";
import { hoverTooltip } from "@codemirror/view";
import { messageNode } from "../messageNode";
import { completionSource, type MoreValues, readDocument } from "./complete";
import { descriptionOf, type Schema, schemasAt } from "./jsonSchema";
import { placeAt } from "./yamlPath";

/** Completion, and the description of the field under the mouse. */
export function help(schema: Schema, more: MoreValues) {
  return [
    autocompletion({ override: [completionSource(schema, more)], icons: false }),
    hoverTooltip((view, position) => {
      const line = view.state.doc.lineAt(position);
      const text = view.state.doc.toString();
      const place = placeAt(text.split("\n"), line.number - 1, line.length);
      if (place === null || place.key === null) return null;
      const from = line.from + line.text.indexOf(place.key);
      if (position < from || position > from + place.key.length) return null;
      const schemas = schemasAt(schema, readDocument(text), [...place.path, place.key]);
      const description = descriptionOf(schemas);
      if (description === null) return null;
      return {
        pos: from,
        end: from + place.key.length,
        create: () => {
          const dom = messageNode(description);
          dom.className = "cm-docs";
          return { dom };
        },
      };
    }),
  ];
}
