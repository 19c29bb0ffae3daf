// Draws scenes on canvases: tables from their poses, pictures, and signals over time. No state is kept but what is shown.

const names = ["table", "goal", "tee", "tee-edge", "pusher", "pusher-edge", "ghost", "wall", "ink", "soft", "line", "accent", "c1", "c2", "c3", "c4", "c5", "c6"];
let palette = null;
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { palette = null; });

export function colours() {
  if (palette === null) {
    const style = getComputedStyle(document.documentElement);
    palette = Object.fromEntries(names.map((name) => [name, style.getPropertyValue("--" + name).trim() || "#888"]));
  }
  return palette;
}

// Sizes a canvas to the pixels of the screen; returns its context and its width and height in CSS pixels.
export function fitted(canvas) {
  const box = canvas.getBoundingClientRect(), ratio = Math.min(devicePixelRatio || 1, 2);
  const width = Math.max(1, Math.round(box.width * ratio)), height = Math.max(1, Math.round(box.height * ratio));
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return [context, box.width, box.height];
}

function outlined(context, outline, x, y, angle) {
  const cosine = Math.cos(angle), sine = Math.sin(angle);
  context.beginPath();
  for (const [u, v] of outline) context.lineTo(x + cosine * u - sine * v, y + sine * u + cosine * v);
  context.closePath();
}

// One table: goal, possible futures, tee, pusher; ghost: another world's pose, drawn as an outline.
export function drawTable(canvas, view, scene, pose, ghost) {
  const [context, width, height] = fitted(canvas), c = colours(), scale = Math.min(width, height) / view.side;
  context.clearRect(0, 0, width, height);
  context.save();
  context.scale(scale, scale);
  context.fillStyle = c.table; context.fillRect(0, 0, view.side, view.side);
  context.strokeStyle = c.wall; context.lineWidth = 4; context.strokeRect(5.5, 5.5, view.side - 11, view.side - 11);
  outlined(context, view.outline, ...view.goal); context.fillStyle = c.goal; context.fill();
  context.lineWidth = 1.5;
  for (const other of scene.others || []) {
    outlined(context, view.outline, other[2], other[3], other[4]);
    context.globalAlpha = 0.18; context.fillStyle = c.tee; context.fill();
    context.globalAlpha = 0.5; context.strokeStyle = c["tee-edge"]; context.stroke();
  }
  context.globalAlpha = 1;
  outlined(context, view.outline, pose[2], pose[3], pose[4]);
  context.fillStyle = c.tee; context.fill(); context.lineWidth = 2.5; context.strokeStyle = c["tee-edge"]; context.stroke();
  if (ghost) {
    context.setLineDash([9, 6]); context.strokeStyle = c.ghost; context.lineWidth = 3;
    outlined(context, view.outline, ghost[2], ghost[3], ghost[4]); context.stroke();
    context.beginPath(); context.arc(ghost[0], ghost[1], view.radius, 0, 2 * Math.PI); context.stroke();
    context.setLineDash([]);
  }
  context.beginPath(); context.arc(pose[0], pose[1], view.radius, 0, 2 * Math.PI);
  context.fillStyle = c.pusher; context.fill(); context.strokeStyle = c["pusher-edge"]; context.lineWidth = 2.5; context.stroke();
  context.restore();
}

// A pose on the way from one to another; the angle takes the short way round.
export function between(from, to, share) {
  const turn = ((to[4] - from[4] + Math.PI) % (2 * Math.PI) + 2 * Math.PI) % (2 * Math.PI) - Math.PI;
  const way = from.map((value, k) => value + share * (to[k] - value));
  way[4] = from[4] + share * turn;
  return way;
}

export function drawPicture(canvas, bitmap) {
  const [context, width, height] = fitted(canvas);
  const scale = Math.min(width / bitmap.width, height / bitmap.height);
  context.imageSmoothingEnabled = bitmap.width > 200;
  context.clearRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0, bitmap.width * scale, bitmap.height * scale);
}

// Signals over time, one lane each; history: a list of lists of values.
export function drawSignals(canvas, labels, history, most) {
  const [context, width, height] = fitted(canvas), c = colours(), count = labels.length, lane = height / Math.max(count, 1);
  context.clearRect(0, 0, width, height);
  context.font = `${Math.max(9, Math.min(13, lane * 0.5))}px system-ui`;
  for (let k = 0; k < count; k++) {
    const values = history.map((row) => row[k]), top = k * lane + 4, tall = Math.max(lane - 8, 2);
    let low = Math.min(...values), high = Math.max(...values);
    if (!(high - low > 1e-9)) { low -= 1; high += 1; }
    context.strokeStyle = c["c" + (1 + (k % 6))]; context.lineWidth = 2; context.beginPath();
    values.forEach((v, i) => context.lineTo((width * i) / (most - 1), top + tall * (1 - (v - low) / (high - low))));
    context.stroke();
    if (lane >= 11) { context.fillStyle = c.soft; context.fillText(`${labels[k]}  ${values.length ? values[values.length - 1] : ""}`, 6, top + 10); }
  }
}

// One number over time, from 0 up, with its newest value in words above it.
export function drawStrip(canvas, values, most, colour) {
  const [context, width, height] = fitted(canvas), c = colours(), top = Math.max(1e-6, ...values) * 1.1;
  context.clearRect(0, 0, width, height);
  context.fillStyle = c.soft; context.font = "11px system-ui"; context.fillText((top / 1.1).toPrecision(3), 6, 13);
  context.strokeStyle = c[colour]; context.lineWidth = 2; context.beginPath();
  values.forEach((v, i) => context.lineTo((width * i) / (most - 1), height - 3 - (height - 8) * (v / top)));
  context.stroke();
}
