import type { Answer, Decision, ReviewForLink } from "@/api/reviews";
import { strings } from "./strings";

/** What a person has typed for a review. `text`: the edited data, or null if it was never edited. */
export type Draft = { text: string | null; comment: string };
export const EMPTY_DRAFT: Draft = { text: null, comment: "" };

type Data = Pick<ReviewForLink, "input" | "input_text" | "editable">;

/** The data as a text field returns it, which normalizes line breaks. */
export function fieldText({ input_text }: Data): string {
  return input_text.replace(/\r\n?/g, "\n");
}

export function isEdited(review: Data, { text }: Draft): boolean {
  return review.editable && text !== null && text !== fieldText(review);
}

/** Why the edited data cannot be sent, or null. */
export function draftProblem(review: Data, draft: Draft): string | null {
  if (!isEdited(review, draft) || typeof review.input === "string") return null;
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
  const outputText = typeof review.input === "string" ? JSON.stringify(text) : text;
  return { decision, comment, outputText };
}
