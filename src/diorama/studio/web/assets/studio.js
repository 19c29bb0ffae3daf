// What every page shares. Pages work without it; it adds what needs a hand: copying, films, live runs.
const WAIT_MS = 800;

function made(tag, attributes = {}, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...inside);
  return element;
}

function say(place, words) {
  place.replaceChildren(made("p", { class: "soft small", role: "status" }, words));
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    const before = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = before; }, 1500);
  });
}

// Ask until the film is made; null where it cannot be, and the reason is on the page.
async function ready(address, place) {
  for (;;) {
    const response = await fetch(address).catch(() => null);
    if (!response) { say(place, "The studio does not answer; is it still running?"); return null; }
    const found = await response.json();
    if (found.state === "ready") return found.film;
    if (response.status !== 202) { say(place, found.why || found.error); return null; }
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
    if (!place.isConnected) return null;
  }
}

function picture(address) {
  const image = new Image();
  image.src = address;
  return image.decode().then(() => image);
}

function drawTile(canvas, sheet, layout, track, frame) {
  const line = track * layout.lines + Math.floor(frame / layout.columns), column = frame % layout.columns;
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = true;
  context.drawImage(sheet, column * layout.width, line * layout.height, layout.width, layout.height, 0, 0, canvas.width, canvas.height);
}

// A scrubber, a play button and a clock; `show(frame)` draws. Arrow keys move by one frame.
function controls(frames, period, show) {
  const slider = made("input", { type: "range", min: 0, max: frames - 1, value: 0, "aria-label": "Moment" });
  const button = made("button", { type: "button", class: "quiet" }, "Play");
  const clock = made("output");
  let timer = 0;
  const at = (frame) => {
    slider.value = frame;
    clock.textContent = `${(frame * period).toFixed(1)} s, step ${frame}`;
    show(frame);
  };
  const stop = () => { clearInterval(timer); timer = 0; button.textContent = "Play"; };
  slider.addEventListener("input", () => { stop(); at(Number(slider.value)); });
  button.addEventListener("click", () => {
    if (timer) return stop();
    if (Number(slider.value) >= frames - 1) at(0);
    button.textContent = "Pause";
    timer = setInterval(() => {
      const next = Number(slider.value) + 1;
      if (next > frames - 1 || !slider.isConnected) return stop();
      at(next);
    }, Math.max(40, 1000 * period));
  });
  at(0);
  return made("div", { class: "controls" }, button, slider, clock);
}

function moveCursors(name, share) {
  for (const line of document.querySelectorAll(`[data-cursor="${name}"]`)) {
    const x = Number(line.dataset.from) + share * Number(line.dataset.over);
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
    line.setAttribute("visibility", "visible");
  }
}

async function play(address, place, words) {
  say(place, words);
  const film = await ready(address, place);
  if (!film) return;
  const sheet = await picture(`${address}.png`);
  const scale = Math.min(4, Math.max(1, Math.floor(384 / film.width)));
  const screens = film.tracks.map(() => made("canvas", { width: film.width * scale, height: film.height * scale }));
  const bar = controls(film.frames, film.period, (frame) => {
    screens.forEach((canvas, track) => drawTile(canvas, sheet, film, track, frame));
    moveCursors("film", film.frames > 1 ? frame / (film.frames - 1) : 0);
  });
  const shown = film.tracks.length < 2 ? screens
    : [made("div", { class: "beside" }, ...screens.map((canvas, track) => made("figure", {}, made("figcaption", {}, film.tracks[track]), canvas)))];
  place.replaceChildren(made("div", { class: "player" }, ...shown, bar));
}

for (const place of document.querySelectorAll(".film[data-film]")) play(place.dataset.film, place, place.dataset.words);
for (const button of document.querySelectorAll("[data-watch]")) {
  button.addEventListener("click", () => {
    const screen = button.closest(".card").querySelector(".screen");
    play(button.dataset.watch, screen, `Playing seed ${button.textContent} again; the first time takes a while …`);
  });
}

// Small charts of the rollouts, drawn here because they come with the film.
const SVG = "http://www.w3.org/2000/svg";
function drawn(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function chart(curves, label) {
  const width = 320, height = 110, left = 30, top = 6, bottom = 92;
  const highest = Math.max(1e-9, ...curves.flatMap((curve) => curve.values)) * 1.05;
  const count = curves[0].values.length;
  const x = (k) => left + (k / Math.max(1, count - 1)) * (width - left - 6), y = (v) => bottom - (v / highest) * (bottom - top);
  const svg = drawn("svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  for (const value of [0, highest / 2, highest / 1.05]) {
    svg.append(drawn("line", { class: "grid", x1: left, x2: width - 6, y1: y(value), y2: y(value) }));
    const text = drawn("text", { class: "tick", x: left - 4, y: y(value) + 4, "text-anchor": "end" });
    text.textContent = value.toPrecision(2).replace(/\.0$/, "");
    svg.append(text);
  }
  for (const curve of curves) svg.append(drawn("polyline", { class: `line ${curve.colour}`, points: curve.values.map((v, k) => `${x(k)},${y(v)}`).join(" ") }));
  svg.append(drawn("line", { class: "cursor", "data-cursor": "rollouts", "data-from": left, "data-over": width - left - 6, x1: left, x2: left, y1: top, y2: bottom }));
  return svg;
}

function legend(entries) {
  return made("ul", { class: "legend" }, ...entries.map(([colour, words]) => made("li", {}, made("i", { class: `key ${colour}` }), words)));
}

async function beside(place) {
  const address = place.dataset.src;
  const found = await ready(address, place);
  if (!found) return;
  const layout = found.sheet, sheet = layout ? await picture(`${address}.png`) : null;
  const screens = [], views = made("div", { class: "views" });
  found.stretches.forEach((stretch, k) => {
    const view = made("div", { class: "card" });
    if (sheet) {
      const twin = made("div", { class: "twin" }, made("span", {}, "reality"), made("span", {}, "imagined"));
      for (const track of [2 * k, 2 * k + 1]) {
        const canvas = made("canvas", { width: layout.width * 2, height: layout.height * 2, "aria-label": layout.tracks[track], role: "img" });
        screens.push([canvas, track]);
        twin.append(canvas);
      }
      view.append(twin);
    } else {
      for (const [name, real, imagined] of stretch.signals.slice(0, 3)) {
        const low = Math.min(...real, ...imagined);
        view.append(made("span", { class: "small soft" }, name), chart([{ colour: "c6", values: real.map((v) => v - low) }, { colour: "c1", values: imagined.map((v) => v - low) }], name));
      }
    }
    const curves = [{ colour: "c6", values: [0, ...stretch.still] }, { colour: "c2", values: [0, ...stretch.spread] }, { colour: "c1", values: [0, ...stretch.error] }];
    view.append(made("p", { class: "small soft" }, `episode ${stretch.episode}`), chart(curves, "error and uncertainty by step"));
    views.append(view);
  });
  const bar = controls(found.steps + 1, found.period, (frame) => {
    for (const [canvas, track] of screens) drawTile(canvas, sheet, layout, track, frame);
    moveCursors("rollouts", frame / Math.max(1, found.steps));
  });
  bar.classList.add("master");
  const words = `${found.chosen}. ${found.held_out ? "The world was not trained on these episodes." : "It may have been trained on these episodes."} Errors in standard deviations of the data; uncertainty is the spread of ${found.draws} imagined futures.`;
  place.replaceChildren(views, legend([["c1", "error"], ["c2", "uncertainty"], ["c6", "error of standing still"]]), bar, made("p", { class: "small soft" }, words));
  moveCursors("rollouts", 0);
}

for (const place of document.querySelectorAll(".rollouts[data-src]")) beside(place);

// A running job tells where it stands, once a second.
for (const live of document.querySelectorAll("[data-events]")) {
  const source = new EventSource(live.dataset.events);
  source.addEventListener("message", (event) => {
    const run = JSON.parse(event.data), bar = live.querySelector("progress");
    live.querySelector(".stage").textContent = run.stage || "nothing logged yet";
    live.querySelector(".step").textContent = run.step.toLocaleString("en");
    live.querySelector(".finished").textContent = run.finished.join(", ") || "nothing yet";
    if (run.total) { bar.max = run.total; bar.value = Math.min(run.step, run.total); }
    if (!run.running) { source.close(); location.reload(); }
  });
  addEventListener("pagehide", () => source.close());
}

document.querySelector(".canvas .chosen")?.scrollIntoView({ block: "nearest", inline: "center" });
addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea, canvas, .canvas") || event.metaKey || event.ctrlKey || event.altKey;
  const way = { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
  const link = way && !typing && document.querySelector(`a[rel="${way}"]`);
  if (link) link.click();
});
