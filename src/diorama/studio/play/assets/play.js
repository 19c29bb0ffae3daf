// Interactive play: talks to the server over a WebSocket and draws what it says. The protocol is described in the docs.
import { between, drawPicture, drawSignals, drawStrip, drawTable } from "./play-draw.js";
import { listen } from "./play-hands.js";
import { Meter } from "./play-meter.js";

const $ = (id) => document.getElementById(id);
const HISTORY = 240;
const state = { socket: null, opened: null, frame: null, slots: [], paused: true, recording: false, seq: 0, drawn: 0, dirty: false, sentAt: 0, apart: [], unsure: [], listing: null, waiting: [] };
const meter = new Meter();
// For whoever measures from outside.
window.dioramaPlay = { state, meter };

function say(text, bad = false) { $("status").textContent = text; $("status").classList.toggle("bad", bad); }
function send(message) { if (state.socket?.readyState === WebSocket.OPEN) state.socket.send(JSON.stringify(message)); }

const hands = listen($("canvas-0"), () => { if (performance.now() - state.sentAt > 12) input(); else state.dirty = true; }, {
  pause: () => $("pause").click(), reset: () => $("reset").click(), record: () => $("record").click(),
});

function input() {
  state.dirty = false; state.sentAt = performance.now(); state.seq += 1;
  send({ type: "input", ...hands.now(), seq: state.seq, sent: state.sentAt, seen: state.drawn });
}

// ---- setting up

const kinds = { real: "Reality", physics: "Physics", learned: "Learned", hybrid: "Physics and learned" };

function options(select, worlds, none) {
  const kept = select.value;
  select.replaceChildren();
  if (none) select.add(new Option(none, ""));
  for (const [kind, words] of Object.entries(kinds)) {
    const members = worlds.filter((world) => world.kind === kind);
    if (!members.length) continue;
    const group = document.createElement("optgroup");
    group.label = words;
    for (const world of members) group.append(new Option(world.title, world.id));
    select.append(group);
  }
  if ([...select.options].some((option) => option.value === kept)) select.value = kept;
}

const chosen = () => state.listing.worlds.find((world) => world.id === $("world").value);

function arenaChanged() {
  const { worlds, datasets } = state.listing, arena = chosen()?.arena;
  options($("beside"), worlds.filter((world) => world.arena === arena), "nothing");
  const from = $("from"), kept = from.value;
  from.replaceChildren(new Option("a seed of reality", ""), ...datasets.filter((d) => d.arena === arena).map((d) => new Option(`${d.title}: ${d.episodes} episodes`, d.id)));
  if ([...from.options].some((option) => option.value === kept)) from.value = kept;
  fromChanged();
  const learned = worlds.some((world) => world.arena === arena && (world.kind === "learned" || world.kind === "hybrid"));
  $("hint").hidden = learned;
  $("hint").textContent = learned ? "" : "No learned world of this kind is here yet. To make one: diorama collect push-t --policy play --out data, then diorama fit data --out runs/world.";
}

function fromChanged() {
  const recorded = $("from").value !== "";
  $("seed-label").hidden = recorded;
  $("episode-label").hidden = $("row-label").hidden = !recorded;
}

const start = () => $("from").value === "" ? { seed: Number($("seed").value) } : { dataset: $("from").value, episode: Number($("episode").value), row: Number($("row").value) };

async function list() {
  const answer = await fetch("/api/v1/play/worlds", { headers: { accept: "application/json" } });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error || "The studio did not answer.");
  state.listing = said;
  options($("world"), said.worlds, "");
  const asked = new URLSearchParams(location.search);
  if (said.worlds.some((world) => world.id === asked.get("world"))) $("world").value = asked.get("world");
  $("rate").replaceChildren(...said.rates.map((rate) => new Option(rate ? `${rate} frames/s` : "real time", rate)));
  arenaChanged();
  if ([...$("beside").options].some((option) => option.value === asked.get("beside"))) $("beside").value = asked.get("beside");
  $("begin").disabled = false;
  say("Choose a world and begin.");
}

// ---- the link

function begin() {
  state.socket?.close();
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/v1/play/session`);
  socket.binaryType = "arraybuffer";
  state.socket = socket;
  say("Opening…");
  socket.onopen = () => send({ type: "open", world: $("world").value, beside: $("beside").value, start: start(), rate: Number($("rate").value) });
  socket.onmessage = (event) => { if (socket === state.socket) typeof event.data === "string" ? hear(JSON.parse(event.data)) : seePicture(event.data); };
  socket.onclose = () => { if (socket === state.socket) { state.socket = null; pausedNow(true); if (!$("status").textContent.endsWith(".")) say("The link was closed. Begin to play again."); } };
}

function hear(message) {
  if (message.type === "frame") {
    state.waiting = [...message.pictures];
    state.next = message;
    if (!state.waiting.length) arrived();
  } else if (message.type === "opened") opened(message);
  else if (message.type === "loading") say("Loading the world and compiling its step…");
  else if (message.type === "error") say(message.text, true);
  else if (message.type === "bye") say(message.reason, true);
  else if (message.type === "paused") { pausedNow(message.on); if (message.reason) say(message.reason); }
  else if (message.type === "recording") recorded(message);
}

async function seePicture(content) {
  const view = new DataView(content), slot = view.getUint8(0), frame = view.getUint32(1);
  const bitmap = await createImageBitmap(new Blob([new Uint8Array(content, 5)]));
  const held = state.slots[slot];
  if (!held || state.next?.frame !== frame) { bitmap.close(); return; }
  held.bitmap?.close();
  held.bitmap = bitmap;
  state.waiting = state.waiting.filter((each) => each !== slot);
  if (!state.waiting.length) arrived();
}

function opened(message) {
  const same = state.opened?.worlds[0].id === message.worlds[0].id;
  state.opened = message;
  state.slots = message.worlds.map((world, k) => ({ ...world, canvas: $(`canvas-${k}`), pose: null, from: null, since: 0, history: [], bitmap: null }));
  state.apart = []; state.unsure = []; state.drawn = 0;
  meter.clear();
  $("stage").hidden = false;
  $("second").hidden = message.worlds.length < 2;
  $("apart-strip").hidden = message.worlds.length < 2;
  message.worlds.forEach((world, k) => { $(`title-${k}`).textContent = world.title; });
  const further = message.worlds[0].view.kind === "signals" ? Math.max(0, message.action.size - 2) : 0;
  if (!same || hands.sliders.length !== further) makeSliders(message.action, further);
  pausedNow(false);
  say(`${message.worlds[0].title}, from ${message.start}. A step is ${(1000 * message.control_period).toFixed(0)} ms of the world and takes ${(1000 * message.period).toFixed(0)} ms.`);
}

function makeSliders(action, further) {
  hands.sliders.length = 0;
  $("sliders").replaceChildren();
  for (let k = 0; k < further; k++) {
    const label = document.createElement("label"), slider = document.createElement("input");
    Object.assign(slider, { type: "range", min: -1, max: 1, step: 0.02, value: 0 });
    label.append(action.names[k + 2] || `action ${k + 3}`, slider);
    slider.addEventListener("input", input);
    $("sliders").append(label);
    hands.sliders.push(slider);
  }
  $("sliders").hidden = !further;
}

function recorded(message) {
  state.recording = message.on;
  $("record").setAttribute("aria-pressed", String(message.on));
  $("record").textContent = message.on ? "Stop and keep" : "Record";
  if (message.saved) {
    const { folder, episode, steps, version, origin } = message.saved;
    say(`Kept ${steps} steps as episode ${episode} of ${folder} (origin: ${origin}${version ? `, version ${version.slice(0, 12)}` : ""}).`);
    refreshDatasets();
  } else if (message.on) say("Recording.");
}

async function refreshDatasets() {
  const answer = await fetch("/api/v1/play/worlds");
  if (answer.ok) { state.listing = await answer.json(); arenaChanged(); }
}

function pausedNow(on) {
  state.paused = on;
  $("pause").setAttribute("aria-pressed", String(on));
  $("pause").textContent = on ? "Go on" : "Pause";
}

// ---- frames

function arrived() {
  const now = performance.now();
  state.frame = state.next;
  state.slots.forEach((slot, k) => {
    const scene = state.frame.worlds[k];
    if (!scene) return;
    slot.scene = scene;
    if (scene.pose) { slot.from = slot.pose ? posed(slot, now) : scene.pose; slot.pose = scene.pose; slot.since = now; }
    if (scene.values) { slot.history.push(scene.values); if (slot.history.length > HISTORY) slot.history.shift(); }
  });
  const apart = Object.entries(state.frame.apart);
  if (apart.length) { state.apart.push(apart[0][1]); if (state.apart.length > HISTORY) state.apart.shift(); }
  const unsure = state.slots.map((slot) => slot.scene).find((scene) => scene?.unsure);
  if (unsure) { state.unsure.push(unsure.spread ?? unsure.unsure); if (state.unsure.length > HISTORY) state.unsure.shift(); }
  state.fresh = true;
}

// Where a slot's table is drawn now: on the way to its newest pose over one period, so that slow worlds look smooth.
function posed(slot, now) {
  const period = 1000 * state.opened.period;
  return period < 45 ? slot.pose : between(slot.from, slot.pose, Math.min(1, (now - slot.since) / period));
}

function draw(now) {
  requestAnimationFrame(draw);
  hands.poll();
  if (!state.frame || !state.opened) return;
  const fresh = state.fresh;
  state.fresh = false;
  const poses = state.slots.map((slot) => (slot.pose ? posed(slot, now) : null));
  state.slots.forEach((slot, k) => {
    const kind = slot.view.kind;
    if (kind === "table" && poses[k]) drawTable(slot.canvas, slot.view, slot.scene, poses[k], $("overlay").checked && k === 0 ? poses[1] : null);
    else if (fresh && kind === "picture" && slot.bitmap) drawPicture(slot.canvas, slot.bitmap);
    else if (fresh && kind === "signals") drawSignals(slot.canvas, slot.view.labels, slot.history, HISTORY);
  });
  if (fresh) told(performance.now());
  else if (state.dirty && now - state.sentAt > 12) input();
}

function told(now) {
  const frame = state.frame;
  state.drawn = frame.frame;
  meter.frame(now);
  if (frame.echo) meter.latency(now - frame.echo.sent, frame.echo.held);
  input();
  frame.worlds.forEach((scene, k) => {
    const words = [];
    if (scene.coverage !== undefined) words.push(`goal covered ${(100 * scene.coverage).toFixed(0)} %`);
    else words.push(`reward ${scene.reward}`);
    if (scene.end) words.push(k === 0 && state.slots[k].kind !== "real" ? "it says: ended" : "ended");
    $(`say-${k}`).textContent = words.join(", ");
  });
  if (state.apart.length) {
    const units = { px: "px between the blocks", levels: "levels between the pictures", rms: "between the signals (root mean square)" };
    const [unit, value] = Object.entries(frame.apart)[0] || ["", 0], deg = frame.apart.deg === undefined ? "" : `, ${frame.apart.deg.toFixed(0)}°`;
    $("apart-words").textContent = `${value.toFixed(1)} ${units[unit] || unit}${deg}`;
    drawStrip($("apart"), state.apart, HISTORY, "ghost");
  }
  $("unsure-strip").hidden = !state.unsure.length;
  if (state.unsure.length) {
    const scene = frame.worlds.find((each) => each.unsure), value = state.unsure[state.unsure.length - 1];
    $("unsure-words").textContent = scene?.spread === undefined ? `How unsure the learned world is: ${value.toFixed(3)} (spread of its members, normalised)` : `How unsure the learned world is: ${value.toFixed(1)} px between the futures it draws`;
    drawStrip($("unsure"), state.unsure, HISTORY, "c3");
  }
  if (meter.drawn % 5 === 0) figures(frame);
}

function figures(frame) {
  const [p50, p95, p99] = meter.percentiles().map((v) => (Number.isFinite(v) ? v.toFixed(0) : "–"));
  const waited = Number.isFinite(meter.waited) ? meter.waited.toFixed(0) : "–";
  $("figures").textContent = `${meter.rate.toFixed(1)} frames/s · input to picture ${p50} ms (p95 ${p95}, p99 ${p99}), of which ${waited} ms waiting for the next step · step ${frame.ms.step.toFixed(1)} ms · ${frame.skipped} frames skipped, ${frame.behind} steps late · step ${frame.step}, ${frame.time.toFixed(1)} s${frame.recorded === null ? "" : ` · recording ${frame.recorded}`}`;
}

// ---- buttons

$("setup").addEventListener("submit", (event) => { event.preventDefault(); begin(); $("canvas-0").focus({ preventScroll: true }); });
$("world").addEventListener("change", () => {
  const before = state.opened && state.listing.worlds.find((world) => world.id === state.opened.worlds[0].id);
  arenaChanged();
  if (state.socket && before && chosen().arena === before.arena) send({ type: "switch", world: $("world").value, again: $("how").value === "again" });
});
$("beside").addEventListener("change", () => { if (state.socket && state.opened) send({ type: "beside", world: $("beside").value, again: $("how").value === "again" }); });
$("from").addEventListener("change", fromChanged);
$("rate").addEventListener("change", () => { if (state.socket) { send({ type: "rate", rate: Number($("rate").value) }); if (state.opened) state.opened.period = Number($("rate").value) ? 1 / Number($("rate").value) : state.opened.control_period; meter.clear(); } });
$("pause").addEventListener("click", () => send({ type: "pause", on: !state.paused }));
$("reset").addEventListener("click", () => { if (state.socket) send({ type: "reset", start: start() }); else begin(); });
$("record").addEventListener("click", () => send({ type: "record", on: !state.recording }));
document.addEventListener("visibilitychange", () => { if (document.hidden && !state.paused) send({ type: "pause", on: true }); });
addEventListener("resize", () => { state.fresh = state.frame !== null; });
// A paused player still is there.
setInterval(() => send({ type: "ping", sent: performance.now() }), 5000);

requestAnimationFrame(draw);
list().catch((error) => say(String(error.message || error), true));
