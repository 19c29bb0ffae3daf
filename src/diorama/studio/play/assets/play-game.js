// Which is real? Asks the server for pairs of clips, plays them side by side, and sends the guess.
import { colours, drawPicture, drawSignals, drawTable, fitted } from "./play-draw.js";

const $ = (id) => document.getElementById(id);
const state = { round: null, number: 0, clips: null, begun: 0, guessed: false };
// For whoever looks from outside.
window.dioramaGame = state;

function say(text, bad = false) { $("status").textContent = text; $("status").classList.toggle("bad", bad); }

async function ask(path, body) {
  const how = body === undefined ? {} : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch("/api/v1/play" + path, how), said = await answer.json();
  if (!answer.ok) throw new Error(said.error || "The studio did not answer.");
  return said;
}

const guarded = (work) => (...given) => work(...given).catch((error) => say(String(error.message || error), true));

async function list() {
  const { worlds } = await ask("/worlds");
  const real = new Set(worlds.filter((world) => world.kind === "real").map((world) => world.arena));
  const open = worlds.filter((world) => world.kind !== "real" && real.has(world.arena));
  const order = { learned: 0, hybrid: 1, physics: 2 };
  open.sort((a, b) => order[a.kind] - order[b.kind]);
  $("world").replaceChildren(...open.map((world) => new Option(world.title, world.id)));
  $("begin").disabled = !open.length;
  say(open.length ? "" : "There is no world to tell from reality yet. To make one: diorama collect push-t --policy play --out data, then diorama fit data --out runs/world.");
}

async function begin() {
  say("Choosing starts…");
  state.round = await ask("/rounds", { world: $("world").value });
  state.number = 0;
  $("round").hidden = false;
  $("meter").hidden = true;
  await load();
}

async function load() {
  say("Playing the pair in both worlds…");
  $("count").textContent = `Pair ${state.number + 1} of ${state.round.pairs}`;
  buttons(false);
  const said = await ask(`/rounds/${state.round.id}/pairs/${state.number}`);
  if (said.view.kind === "picture") said.clips = await Promise.all(said.clips.map((clip) => Promise.all(clip.map(bitmap))));
  Object.assign(state, { clips: said, begun: performance.now(), guessed: false });
  for (const k of [0, 1]) $(`figure-${k}`).className = "";
  $("verdict").textContent = "";
  $("next").hidden = true;
  buttons(true);
  say("");
}

async function bitmap(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return createImageBitmap(new Blob([bytes]));
}

function buttons(on) { for (const id of ["pick-0", "pick-1", "again"]) $(id).disabled = !on; }

async function pick(choice) {
  if (!state.clips || state.guessed) return;
  state.guessed = true;
  buttons(false);
  const said = await ask(`/rounds/${state.round.id}/pairs/${state.number}`, { choice });
  $(`figure-${said.real}`).className = "real";
  if (!said.right) $(`figure-${choice}`).className = "wrong";
  const over = said.done === said.pairs;
  $("verdict").textContent = `${said.right ? "Right" : "Wrong"}: the ${said.real ? "second" : "first"} is real. ${said.rights} of ${said.done} so far.`;
  $("next").hidden = over;
  $("again").disabled = false;
  state.number += 1;
  if (over) finish(said);
  else $("next").focus();
}

const share = (score) => `${(100 * score.value).toFixed(0)} % [${(100 * score.low).toFixed(0)}, ${(100 * score.high).toFixed(0)}]`;

function finish(said) {
  const ever = said.ever ? ` All guesses about this world: ${share(said.ever)} of ${said.ever.count}.` : "";
  $("verdict").textContent = `You were right in ${share(said.score)} of ${said.score.count} pairs at 95 %; chance is 50 %. ${said.verdict}${ever}`;
  $("meter").hidden = false;
  const [context, width, height] = fitted($("interval")), c = colours(), x = (v) => 8 + v * (width - 16), middle = height / 2;
  context.clearRect(0, 0, width, height);
  context.strokeStyle = c.line; context.lineWidth = 2; context.beginPath(); context.moveTo(x(0), middle); context.lineTo(x(1), middle); context.stroke();
  context.strokeStyle = c.soft; context.setLineDash([4, 4]); context.beginPath(); context.moveTo(x(0.5), 4); context.lineTo(x(0.5), height - 4); context.stroke(); context.setLineDash([]);
  context.strokeStyle = c.accent; context.lineWidth = 5; context.beginPath(); context.moveTo(x(said.score.low), middle); context.lineTo(x(said.score.high), middle); context.stroke();
  context.fillStyle = c.accent; context.beginPath(); context.arc(x(said.score.value), middle, 7, 0, 2 * Math.PI); context.fill();
}

function draw(now) {
  requestAnimationFrame(draw);
  if (!state.clips) return;
  const { clips, view, period } = state.clips, last = clips[0].length - 1;
  const at = Math.min(last, Math.floor((now - state.begun) / (1000 * period)));
  clips.forEach((clip, k) => {
    const canvas = $(`clip-${k}`);
    if (view.kind === "table") drawTable(canvas, view, {}, clip[Math.max(at, 0)], null);
    else if (view.kind === "picture") drawPicture(canvas, clip[Math.max(at, 0)]);
    else drawSignals(canvas, view.labels, clip.slice(0, at + 1), last + 1);
  });
}

$("setup").addEventListener("submit", (event) => { event.preventDefault(); guarded(begin)(); });
for (const k of [0, 1]) $(`pick-${k}`).addEventListener("click", () => guarded(pick)(k));
$("again").addEventListener("click", () => { state.begun = performance.now(); });
$("next").addEventListener("click", () => guarded(load)());
addEventListener("keydown", (event) => {
  if ($("round").hidden || event.target.closest?.("select, input") || event.repeat) return;
  const choice = { Digit1: 0, ArrowLeft: 0, Digit2: 1, ArrowRight: 1 }[event.code];
  if (choice !== undefined) { guarded(pick)(choice); event.preventDefault(); }
  if (event.code === "Space" && !(event.target instanceof HTMLButtonElement)) { ($("next").hidden ? $("again") : $("next")).click(); event.preventDefault(); }
});
requestAnimationFrame(draw);
guarded(list)();
