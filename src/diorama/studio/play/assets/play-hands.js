// What the player's hands do: pointer on a canvas, keys, gamepad. hands.now() is the newest state of all of them.

const moves = { ArrowLeft: [-1, 0], KeyA: [-1, 0], ArrowRight: [1, 0], KeyD: [1, 0], ArrowUp: [0, -1], KeyW: [0, -1], ArrowDown: [0, 1], KeyS: [0, 1] };
const dead = 0.15;

export function listen(canvas, changed, commands) {
  const down = new Set(), sliders = [];
  let point = null, stick = [0, 0], pressed = [];

  const place = (event) => {
    const box = canvas.getBoundingClientRect(), clip = (v) => Math.min(1, Math.max(0, v));
    point = [clip((event.clientX - box.left) / box.width), clip((event.clientY - box.top) / box.height)];
    changed();
  };
  canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); canvas.focus({ preventScroll: true }); place(event); event.preventDefault(); });
  canvas.addEventListener("pointermove", (event) => { if (point !== null) place(event); });
  for (const kind of ["pointerup", "pointercancel", "lostpointercapture"]) canvas.addEventListener(kind, () => { if (point !== null) { point = null; changed(); } });

  const typing = (event) => event.target instanceof Element && event.target.closest("input, select, textarea, summary") !== null;
  addEventListener("keydown", (event) => {
    if (typing(event) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.code in moves) { down.add(event.code); changed(); event.preventDefault(); }
    const onButton = event.target instanceof HTMLButtonElement || event.target instanceof HTMLAnchorElement;
    const command = { Space: "pause", KeyR: "reset", KeyC: "record" }[event.code];
    if (command && !event.repeat && !(event.code === "Space" && onButton)) { commands[command](); event.preventDefault(); }
  });
  addEventListener("keyup", (event) => { if (down.delete(event.code)) changed(); });
  addEventListener("blur", () => { down.clear(); point = null; });

  return {
    sliders,
    // Gamepads tell nothing by themselves: ask once a frame.
    poll() {
      const pad = [...(navigator.getGamepads?.() || [])].find((each) => each && each.connected);
      if (!pad) return;
      stick = pad.axes.slice(0, 2).map((v) => (Math.abs(v) < dead ? 0 : v));
      const now = pad.buttons.slice(0, 3).map((button) => button.pressed);
      ["pause", "reset", "record"].forEach((name, k) => { if (now[k] && !pressed[k]) commands[name](); });
      pressed = now;
    },
    now() {
      if (point !== null) return { point };
      const axes = [...stick];
      for (const code of down) { axes[0] += moves[code][0]; axes[1] += moves[code][1]; }
      const all = axes.map((v) => Math.min(1, Math.max(-1, v)));
      sliders.forEach((slider, k) => { all[k + 2] = Number(slider.value); });
      return { axes: all };
    },
  };
}
