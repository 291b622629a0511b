// What scripts add to pages that work without them. Nothing here decides anything.

// A form is sent once; a second press while the first is under way does nothing.
document.addEventListener("submit", (event) => {
  const form = event.target;
  const question = event.submitter?.dataset.confirm ?? form.dataset.confirm;
  if (question && !window.confirm(question)) {
    event.preventDefault();
    return;
  }
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  if (form.method === "post" && !form.dataset.fills) {
    form.dataset.sent = "1";
    const button = event.submitter;
    if (button) {
      setTimeout(() => { button.setAttribute("aria-disabled", "true"); if (button.dataset.busy) button.textContent = button.dataset.busy; }, 0);
    }
  }
});

// Back from the browser's own memory: forms may be sent again.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) window.location.reload();
});

// A choice that changes the rest of its form sends it at once.
document.addEventListener("change", (event) => {
  const form = event.target.form;
  if (form && event.target.hasAttribute("data-chooses")) form.requestSubmit();
});

// The sentence about what went wrong is where reading begins.
const wrong = document.querySelector("[data-first]");
if (wrong) wrong.focus();

// Where there is little room the menu is folded, and tables say beside each value what it is.
const menu = document.querySelector(".menu");
if (menu && window.matchMedia("(max-width: 52rem)").matches) menu.open = false;
for (const table of document.querySelectorAll(".table > table")) {
  const names = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
  for (const row of table.tBodies[0].rows) for (const [n, cell] of [...row.cells].entries()) if (cell.tagName === "TD") cell.dataset.name = names[n];
  table.classList.add("cards");
}

// Back from a sign-in in another tab: see what came of it.
const waiting = document.querySelector("[data-returns]");
if (waiting) document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") window.location.assign(waiting.dataset.returns);
});

// A form with data-fills puts the answer into a part of the page instead of leaving it.
const fillings = new Map();

export async function fill(form, submitter) {
  const target = document.getElementById(form.dataset.fills);
  fillings.get(target)?.abort();
  const control = new AbortController();
  fillings.set(target, control);
  target.setAttribute("aria-busy", "true");
  if (form.dataset.wait) target.textContent = form.dataset.wait;
  try {
    const answer = await fetch(submitter?.getAttribute("formaction") || form.getAttribute("action"), {
      method: "POST", body: new URLSearchParams(new FormData(form, submitter)), headers: { "X-Fragment": "1" }, signal: control.signal,
    });
    if (answer.status === 401) window.location.reload();
    target.innerHTML = await answer.text();
  } catch (error) {
    if (error.name === "AbortError") return;
    target.textContent = "The server did not answer. Try again.";
  }
  target.removeAttribute("aria-busy");
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || !form.dataset.fills || event.submitter?.hasAttribute("data-leaves")) return;
  event.preventDefault();
  delete form.dataset.sent;
  fill(form, event.submitter).finally(() => event.submitter?.removeAttribute("aria-disabled"));
});
