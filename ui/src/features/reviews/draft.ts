import type { Answer, Decision, ReviewForLink } from "@/api/reviews";
import { hasField } from "@/features/forms/schema";
import { strings } from "./strings";

/** What a person has typed for a review. `text`: the edited data, or null if it was never edited. */
export type Draft = { text: string | null; comment: string };
export const EMPTY_DRAFT: Draft = { text: null, comment: "" };

export type Data = Pick<ReviewForLink, "input" | "input_text" | "input_schema" | "editable">;

/** Whether the draft is a plain text. Otherwise, it is JSON: that of a text whose schema lists its values, too. */
export function isPlainText({ input, input_schema }: Data): boolean {
  return typeof input === "string" && !hasField(input_schema);
}

/** The data as a text field returns it, which normalizes line breaks. */
export function fieldText(review: Data): string {
  const { input, input_text } = review;
  if (typeof input === "string" && !isPlainText(review)) return JSON.stringify(input);
  return input_text.replace(/\r\n?/g, "\n");
}

export function isEdited(review: Data, { text }: Draft): boolean {
  return review.editable && text !== null && text !== fieldText(review);
}

/** Why the edited data cannot be sent, or null. */
export function draftProblem(review: Data, draft: Draft): string | null {
  if (!isEdited(review, draft) || isPlainText(review)) return null;
  try {
    JSON.parse(draft.text ?? "");
    return null;
  } catch (error) {
    return strings.invalidJson(error instanceof Error ? error.message : String(error));
  }
}

/** The decision to send. JSON is sent as it was typed, with all digits of its numbers. */
export function answerOf(review: Data, draft: Draft, decision: Decision): Answer {
  const { text } = draft;
  const comment = draft.comment.trim() || null;
  if (text === null || !isEdited(review, draft)) return { decision, comment, outputText: null };
  const outputText = isPlainText(review) ? JSON.stringify(text) : text;
  return { decision, comment, outputText };
}
