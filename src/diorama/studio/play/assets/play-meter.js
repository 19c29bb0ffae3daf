// Frame rate and latency, from input to picture, over the last few hundred frames.

export class Meter {
  constructor(size = 300) { this.size = size; this.clear(); }
  clear() { this.times = []; this.latencies = []; this.held = []; this.drawn = 0; }
  frame(now) { this.drawn += 1; push(this.times, now, this.size); }
  latency(ms, held) { push(this.latencies, ms, this.size); push(this.held, held, this.size); }
  get rate() {
    const t = this.times, count = t.length;
    return count < 2 ? 0 : (1000 * (count - 1)) / (t[count - 1] - t[0]);
  }
  percentiles() { return [50, 95, 99].map((p) => quantile(this.latencies, p / 100)); }
  get waited() { return quantile(this.held, 0.5); }
}

function push(list, value, size) { list.push(value); if (list.length > size) list.shift(); }

export function quantile(values, share) {
  if (!values.length) return NaN;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}
