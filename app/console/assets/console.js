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
  if (form.method === "post" && !form.hasAttribute("data-stays")) {
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
