"use strict";
// Text from runs is added as text only, never as HTML. Only a button decides, because mail scanners open links.
const $ = (id) => document.getElementById(id);
const form = document.querySelector("form");
const token = location.hash.slice(1);
let review = null;

const say = (text) => { document.querySelector("[role=status]").textContent = text; };
const show = (id, text) => { const element = $(id); element.textContent = text; element.hidden = false; };
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Such as 29 Nov 2026, 14:05 UTC. */
function readable(moment) {
  const [year, month, day] = moment.slice(0, 10).split("-").map(Number);
  return `${day} ${MONTHS[month - 1]} ${year}, ${moment.slice(11, 16)} UTC`;
}

async function ask(path, body) {
  const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body });
  const content = await answer.json();
  if (answer.ok) return content;
  const said = content.errors?.length ? content.errors.map((each) => each.message).join(" ") : content.detail;
  throw Object.assign(new Error(said), { isAnswer: true, isOver: answer.status === 404 || answer.status === 409 });
}

function end(text) {
  form.hidden = true;
  // The link no longer works.
  history.replaceState(null, "", location.pathname);
  say(text);
}

function fail(error) {
  if (error.isOver) end(error.message);
  else say(error.isAnswer ? error.message : "The server did not respond. Try again in a moment.");
}

const isText = () => typeof review.input === "string";
const isEdited = () => review.editable && $("edited").value !== review.shown;

/** Why the edited content cannot be sent; empty if it can. */
function problem() {
  if (!isEdited() || isText()) return "";
  try { JSON.parse($("edited").value); } catch (error) { return `This is not valid JSON: ${error.message}`; }
  return "";
}

/** The edited content as JSON, as it was typed: parsing a number here could lose digits. */
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
    end(`${done} Your decision is recorded. You can close this page.`);
  } catch (error) {
    fail(error);
  }
  buttons.forEach((button) => { button.disabled = false; });
}

async function load() {
  if (!token) { say("This link is incomplete. Open the complete link from the email."); return; }
  say("Loading …");
  try {
    review = await ask("api/reviews/open", JSON.stringify({ token }));
  } catch (error) {
    fail(error);
    return;
  }
  document.title = `${review.pipeline_name} · review · stepIQ`;
  document.querySelector("h1").textContent = review.pipeline_name;
  show("about", `Step ${review.step_id}. Your decision is recorded as made by ${review.reviewer}.`);
  show("message", review.message);
  $("until").textContent = `Please decide by ${readable(review.expires_at)}. The first decision counts.`;
  if (review.editable) {
    $("content").hidden = true;
    $("edited").hidden = false;
    $("edited").value = review.input_text;
    // As the field returns it, which normalizes line breaks.
    review.shown = $("edited").value;
    show("edited-hint", `You can edit this${isText() ? " text" : ", but it must stay valid JSON"}. The pipeline continues with the edited version.`);
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
