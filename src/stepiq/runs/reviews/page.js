"use strict";
// Texts of others get onto the page as text only, and nothing is decided before a button is pressed: mail scanners open links.
const $ = (id) => document.getElementById(id);
const form = document.querySelector("form");
const token = location.hash.slice(1);
let review = null;

const say = (text) => { document.querySelector("[role=status]").textContent = text; };
const show = (id, text) => { const element = $(id); element.textContent = text; element.hidden = false; };
const local = (moment) => new Date(moment).toLocaleString(undefined, { dateStyle: "full", timeStyle: "short" });

async function ask(path, body) {
  const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body });
  const content = await answer.json();
  if (answer.ok) return content;
  const said = content.errors?.length ? content.errors.map((each) => each.message).join(" ") : content.detail;
  throw Object.assign(new Error(said), { isAnswer: true, isOver: answer.status === 404 || answer.status === 409 });
}

function end(text) {
  form.hidden = true;
  // The link is worth nothing any more.
  history.replaceState(null, "", location.pathname);
  say(text);
}

function fail(error) {
  if (error.isOver) end(error.message);
  else say(error.isAnswer ? error.message : "The server did not answer. Try again in a moment.");
}

const isText = () => typeof review.input === "string";
const isEdited = () => review.editable && $("edited").value !== review.shown;

/** Why what was edited cannot be sent; empty if it can. */
function problem() {
  if (!isEdited() || isText()) return "";
  try { JSON.parse($("edited").value); } catch (error) { return `This is not JSON: ${error.message}`; }
  return "";
}

/** The edits as JSON: as they were typed, for a number read here may lose digits. */
const output = () => (isText() ? JSON.stringify($("edited").value) : $("edited").value);

function decision(value) {
  const comment = $("comment").value.trim();
  const fields = { token, decision: value, ...(comment && { comment }) };
  const body = JSON.stringify(fields);
  return isEdited() ? `${body.slice(0, -1)},"output":${output()}}` : body;
}

async function decide(event) {
  const buttons = form.querySelectorAll("button");
  const wrong = problem();
  if (wrong) { say(wrong); $("edited").focus(); return; }
  buttons.forEach((button) => { button.disabled = true; });
  say("Sending …");
  try {
    const decided = await ask("api/reviews/decide", decision(event.currentTarget.value));
    const done = decided.decision === "approve" ? "Approved." : "Rejected.";
    end(`${done} Thank you: the pipeline has been told. You can close this page.`);
  } catch (error) {
    fail(error);
  }
  buttons.forEach((button) => { button.disabled = false; });
}

async function load() {
  if (!token) { say("This link is not complete. Open the one in the mail."); return; }
  say("Loading …");
  try {
    review = await ask("api/reviews/open", JSON.stringify({ token }));
  } catch (error) {
    fail(error);
    return;
  }
  document.title = `${review.pipeline_name} · review · stepIQ`;
  document.querySelector("h1").textContent = review.pipeline_name;
  show("about", `You are asked as ${review.reviewer} (step ${review.step_id}).`);
  show("message", review.message);
  $("until").textContent = `Until ${local(review.expires_at)}. The first answer counts.`;
  if (review.editable) {
    $("content").hidden = true;
    $("edited").hidden = false;
    $("edited").value = review.input_text;
    // As the field has it: it knows line feeds only.
    review.shown = $("edited").value;
    show("edited-hint", isText() ? "You can change this text. What you leave here is what the pipeline goes on with." : "You can change this; it must stay JSON. What you leave here is what the pipeline goes on with.");
    $("edited").addEventListener("input", () => say(problem()));
  } else {
    $("content").textContent = review.input_text;
    $("content").hidden = $("content-title").hidden = review.input === null;
  }
  form.hidden = false;
  say("");
}

form.addEventListener("submit", (event) => event.preventDefault());
for (const id of ["approve", "reject"]) $(id).addEventListener("click", decide);
addEventListener("hashchange", () => { if (location.hash) location.reload(); });
load();
