// A run while it works: the API's events move the numbers, the bar and the chart; its end loads what is final.
const root = document.querySelector("[data-follow]");
const outcomes = ["created", "updated", "unchanged", "skipped", "rejected"];
const svg = "http://www.w3.org/2000/svg";
const samples = [];

const number = (value) => String(value).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");

function lasting(seconds) {
  if (seconds < 60) return `${seconds} s`;
  return seconds < 3600 ? `${Math.floor(seconds / 60)} min ${seconds % 60} s` : `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

function show(run) {
  for (const place of root.querySelectorAll("[data-show]")) {
    const name = place.dataset.show;
    if (name in run.counts) place.textContent = number(run.counts[name]);
  }
  const rate = run.progress.records_per_second, left = run.progress.eta_seconds;
  root.querySelector('[data-show="pace"]').textContent = run.reason ? `${run.reason} It tries again by itself.` : [rate && `${number(rate)} records a second`, left !== null && `about ${lasting(left)} left`].filter(Boolean).join(", ");
  if (run.state === "running") {
    const word = root.querySelector('[data-show="state"] .tone');
    word.textContent = "Running";
    word.className = "tone busy";
  }
  const whole = Math.max(1, outcomes.reduce((sum, name) => sum + run.counts[name], 0));
  let x = 0;
  for (const name of outcomes) {
    const bar = root.querySelector(`[data-bar="${name}"]`), width = (100 * run.counts[name]) / whole;
    bar.setAttribute("x", x);
    bar.setAttribute("width", width);
    x += width;
  }
}

function draw(run) {
  samples.push([performance.now() / 1000, run.counts.read]);
  if (samples.length > 600) samples.splice(1, 1);
  if (samples.length < 3) return;
  const rates = samples.slice(1).map(([at, read], i) => [at, (read - samples[i][1]) / Math.max(0.1, at - samples[i][0])]);
  const [first, last] = [rates[0][0], rates.at(-1)[0]], highest = Math.max(...rates.map(([, rate]) => rate), 1);
  const points = rates.map(([at, rate]) => `${(600 * (at - first)) / Math.max(0.1, last - first)},${120 - (114 * rate) / highest}`);
  const picture = document.createElementNS(svg, "svg");
  const put = (kind, given) => {
    const part = document.createElementNS(svg, kind);
    for (const [name, value] of Object.entries(given)) part.setAttribute(name, value);
    picture.append(part);
  };
  for (const [name, value] of Object.entries({ class: "chart", viewBox: "0 0 600 120", preserveAspectRatio: "none", role: "img", "aria-label": `Records read a second, at most ${Math.round(highest)}` })) picture.setAttribute(name, value);
  put("polygon", { points: `0,120 ${points.join(" ")} 600,120` });
  put("polyline", { points: points.join(" ") });
  const axis = document.createElement("p");
  axis.className = "axis";
  axis.textContent = `now ${number(Math.round(rates.at(-1)[1]))}, highest ${number(Math.round(highest))} records read a second`;
  root.querySelector("[data-chart]").replaceChildren(picture, axis);
}

let spoke = 0;
function speak(run) {
  if (performance.now() - spoke < 5000) return;
  spoke = performance.now();
  root.querySelector("[data-spoken]").textContent = `${run.counts.read} records read, ${run.counts.created} added, ${run.counts.updated} changed.`;
}

if (root) {
  let state;
  const events = new EventSource(root.dataset.follow);
  events.addEventListener("progress", (event) => {
    const run = JSON.parse(event.data);
    show(run);
    draw(run);
    speak(run);
    state ??= run.state;
    if (run.state !== state && (run.state === "halted" || state === "halted")) finish();
    state = run.state;
  });
  events.addEventListener("end", finish);
  function finish() {
    events.close();
    const here = new URL(window.location.href);
    here.searchParams.delete("said");
    window.location.replace(here);
  }
}
