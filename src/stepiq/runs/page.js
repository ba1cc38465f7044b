"use strict";
// Text from runs is added as text only, never as HTML.
const $ = (id) => document.getElementById(id);
const token = location.hash.slice(1);
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const say = (text) => { document.querySelector("[role=status]").textContent = text; };

/** Such as 29 Nov 2026, 14:05 UTC. */
function readable(moment) {
  const [year, month, day] = moment.slice(0, 10).split("-").map(Number);
  return `${day} ${MONTHS[month - 1]} ${year}, ${moment.slice(11, 16)} UTC`;
}

/** Such as 35 ms, 1.2 s or 3 min 5 s. */
function duration(milliseconds) {
  if (milliseconds === null) return "";
  if (milliseconds < 1000) return `${milliseconds} ms`;
  const seconds = milliseconds / 1000;
  return seconds < 60 ? `${seconds.toFixed(1)} s` : `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
}

function outcome(run) {
  if (run.status === "failed") {
    const where = run.error.step_id ? ` at step ${run.error.step_id}` : "";
    return `The run failed${where} on ${readable(run.completed_at)}.`;
  }
  if (run.status === "cancelled") return `The run was cancelled on ${readable(run.completed_at)}.`;
  if (run.completed_at) return `The run ${run.status} on ${readable(run.completed_at)}.`;
  return `The run is ${run.status}.`;
}

/** Why a step failed. The message of the run ends with that of the step that ended it. */
function reason(step, run) {
  if (!step.error) return "";
  return run.error?.message.endsWith(step.error.message) ? "See above." : step.error.message;
}

function row(step, run) {
  const again = step.iteration > 1 ? `, round ${step.iteration}` : "";
  const place = step.branch ? ` (branch ${step.branch}${again})` : again;
  const cells = [`${step.step_id}${place}`, step.status, duration(step.duration_ms), reason(step, run)];
  const line = document.createElement("tr");
  for (const text of cells) {
    const cell = document.createElement("td");
    cell.textContent = text;
    line.append(cell);
  }
  if (step.status === "failed") line.className = "failed";
  return line;
}

function show(run) {
  document.title = `${run.pipeline_name} · run · stepIQ`;
  document.querySelector("h1").textContent = run.pipeline_name;
  $("outcome").textContent = outcome(run);
  if (run.error) {
    $("error").hidden = false;
    $("error-message").textContent = run.error.message;
    $("error-code").textContent = run.error.code;
    $("error-code").href = `docs/errors#${run.error.code}`;
  }
  $("steps").replaceChildren(...run.steps.map((step) => row(step, run)));
  if (run.more_steps) {
    $("more").hidden = false;
    $("more").textContent = "There are more steps. GET /api/runs/ID lists all of them.";
  }
  $("about").textContent = `Run ${run.id}, version ${run.pipeline_version} of the pipeline, started ${readable(run.started_at ?? run.created_at)}.`;
  $("until").textContent = `This link works until ${readable(run.link_expires_at)}. Anyone who has it can see this page. It shows no inputs and no outputs.`;
  $("run").hidden = false;
  say("");
}

async function load() {
  if (!token) { say("This link is incomplete. Open the complete link from the email."); return; }
  say("Loading …");
  try {
    const answer = await fetch("api/run-links/open", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ token }),
    });
    const content = await answer.json();
    if (answer.ok) show(content);
    else say(content.errors?.length ? content.errors.map((each) => each.message).join(" ") : content.detail);
  } catch {
    say("The server did not respond. Try again in a moment.");
  }
}

addEventListener("hashchange", () => { if (location.hash) location.reload(); });
load();
