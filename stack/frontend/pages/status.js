"use strict";
// Asks whether a write would succeed now, as the load balancer does (docs/api.md), and shows the reasons if not.
const EVERY_MS = 5000;
const PATIENCE_MS = 3000;

function show(kind, sentence, reasons) {
  const status = document.getElementById("status");
  status.className = kind;
  status.textContent = sentence;
  // Text, never markup: a reason is what a server said.
  document.getElementById("reasons").replaceChildren(...reasons.map((reason) => {
    const item = document.createElement("li");
    item.textContent = reason;
    return item;
  }));
}

async function ask() {
  try {
    const answer = await fetch("/api/ready", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
    if (answer.ok) {
      show("serves", "The ledger takes transfers.", []);
    } else {
      const said = await answer.json().catch(() => ({}));
      show("refuses", "The ledger takes no transfers at the moment. What you were told is saved, is saved.", said.error ? said.error.split("; ") : []);
    }
  } catch {
    show("silent", "The ledger does not answer. What you were told is saved, is saved.", []);
  }
  setTimeout(ask, EVERY_MS);
}

ask();
