// The mapping form: what does not fit is not offered, and a change shows at once what would become of real records.
import { fill } from "./console.js";

const form = document.querySelector("form[data-live]");
const table = form?.querySelector("table[data-accepts]");
const accepts = table ? JSON.parse(table.dataset.accepts) : {};

function adapt(row) {
  const target = row.querySelector("[data-target]");
  const source = row.querySelector("[data-source]");
  const type = target.selectedOptions[0]?.dataset.type ?? "";
  const fits = accepts[type] ?? accepts.text ?? [];
  for (const option of source.options) {
    const out = option.dataset.type && !option.selected && !fits.includes(option.dataset.type);
    option.disabled = option.hidden = Boolean(out);
  }
  row.querySelector("[data-new]").hidden = target.value !== "+";
  row.querySelector("[data-constant]").hidden = source.value !== "=";
}

if (table) for (const row of table.tBodies[0].rows) adapt(row);

let waiting;
form?.addEventListener("change", (event) => {
  const row = event.target.closest("tr");
  if (row && table?.contains(row)) adapt(row);
  clearTimeout(waiting);
  waiting = setTimeout(() => fill(form, form.querySelector("[data-preview]")), 500);
});
if (form && !document.querySelector(".preview")) fill(form, form.querySelector("[data-preview]"));
