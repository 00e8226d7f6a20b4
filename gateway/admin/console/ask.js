// Asks before a hold, release or purge, with the number of dial requests, and posts it with the token.

import { byId, make, mark, say, show } from "./dom.js";
import { count, plural, visible } from "./words.js";

const KEPT = "operator"; // only the name is stored in the browser; the token stays in a variable of the page
let token = "";

const WORDS = {
  hold: {
    title: "Hold this campaign?",
    number: (row) => `${plural(row.queued, "dial request waits", "dial requests wait")}; ${count(row.in_flight)} in calls now`,
    words: "No further call is made for it. Calls in flight complete. Callers get a notice.",
    done: (answered) => `Held${answered ? `; ${plural(answered, "dial request")} answered` : ""}`,
    button: () => "Hold",
  },
  release: {
    title: "Release this campaign?",
    number: (row) => `${plural(row.queued, "dial request waits", "dial requests wait")}`,
    words: "Its calls are made again at once, within the quota.",
    done: () => "Released",
    button: () => "Release",
  },
  purge: {
    title: "Purge this campaign?",
    number: (row) => `${plural(row.queued, "dial request")} will be answered, and not dialed`,
    words: "Each is answered NOT_ACCEPTED, PURGED: its caller may send it again. Calls in flight complete, and later requests are taken.",
    done: (answered) => `Purged ${plural(answered, "dial request")}`,
    button: (row) => `Purge ${plural(row.queued, "dial request")}`,
  },
};

export class Ask {
  constructor(model, onSay, onClosed) {
    this.model = model;
    this.onSay = onSay;
    this.dialog = byId("ask");
    this.kind = null;
    this.me = null; // the user that a proxy states; without one, the name is typed
    fetch("api/me").then((said) => said.json()).then(({ identity }) => { this.me = identity; }).catch(() => {});
    byId("ask-form").addEventListener("submit", (event) => { event.preventDefault(); this.#do(); });
    byId("ask-cancel").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("close", () => {
      if (this.dialog.open) return; // the event came late: the dialog is open again
      this.kind = null;
      this.#showLock();
      onClosed(this.id);
    });
    byId("unlock").addEventListener("click", () => this.#pressLock());
    byId("read-only").addEventListener("click", () => onSay(this.model.locked));
  }

  /** Ask about a campaign. */
  about(kind, id) {
    this.kind = kind;
    this.id = id;
    this.busy = false;
    this.knownOnly = true;
    say(byId("ask-title"), WORDS[kind].title);
    const name = this.model.campaigns.get(id)?.name;
    say(byId("ask-campaign"), name ? `${visible(name)} (${visible(id)})` : visible(id));
    say(byId("ask-words"), WORDS[kind].words);
    say(byId("ask-reason-label"), kind === "release" ? "Reason, if you like" : "Reason");
    say(byId("ask-error"), "");
    show(byId("ask-waiting"), kind === "hold");
    byId("ask-form").reset();
    byId("ask-operator").value = sessionStorage.getItem(KEPT) ?? "";
    show(byId("ask-operator-field"), !this.me);
    show(byId("ask-token-field"), !token);
    byId("ask-do").className = kind === "purge" ? "danger" : "";
    this.show();
    this.dialog.showModal();
    byId(this.me || byId("ask-operator").value ? "ask-reason" : "ask-operator").focus();
  }

  /** Show the present number of dial requests. */
  show() {
    this.#showLock();
    if (!this.kind) return;
    const row = this.model.campaigns.get(this.id) ?? { queued: 0, in_flight: 0 };
    say(byId("ask-number"), WORDS[this.kind].number(row));
    say(byId("ask-do"), this.knownOnly ? WORDS[this.kind].button(row) : "Hold in advance");
  }

  async #do() {
    if (this.busy) return;
    const { kind, id } = this;
    const typed = byId("ask-token").value.trim();
    const operator = this.me ? "" : byId("ask-operator").value.trim();
    const reason = byId("ask-reason").value.trim();
    if (!operator && !this.me) return this.#refuse("Your name is needed for the log.", "ask-operator");
    if (kind !== "release" && !reason) return this.#refuse("A reason is needed: others will ask.", "ask-reason");
    if (!token && !typed) return this.#refuse("The token for changes is needed.", "ask-token");
    if (operator) sessionStorage.setItem(KEPT, operator);
    this.#setBusy(true);
    try {
      const answering = kind === "hold" && byId("ask-form").elements.answering.value === "yes";
      const { status, said } = await post(kind, { campaign_id: id, operator, reason, answering, known_only: this.knownOnly }, token || typed);
      if (status === 200) {
        token = token || typed;
        this.dialog.close();
        this.onSay(`${WORDS[kind].done(said.answered)}: ${visible(id)}${reach(kind, said)}`);
      } else {
        // The row may be gone by now, and the gateway may no longer know the campaign.
        if (status === 404 && kind === "hold") { this.knownOnly = false; this.show(); }
        if (status === 401) { token = ""; show(byId("ask-token-field"), true); }
        this.#refuse(said.error, status === 401 ? "ask-token" : "ask-reason");
      }
    } catch {
      this.#refuse("The gateway could not be reached. Check whether it was done before you try again.", "ask-do");
    } finally {
      this.#setBusy(false);
    }
  }

  #setBusy(busy) { this.busy = busy; byId("ask-do").disabled = busy; }

  #refuse(words, field) {
    say(byId("ask-error"), words);
    byId("ask-do").disabled = false;
    byId(field).focus();
  }

  #showLock() {
    const { locked } = this.model;
    document.body.classList.toggle("read-only", Boolean(locked));
    const button = byId("unlock");
    show(button, Boolean(token));
    const read = byId("read-only");
    show(read, Boolean(locked));
    mark(read, "title", locked);
  }

  #pressLock() { token = ""; this.#showLock(); }
}

/** The replicas that have carried out an action, in words; empty without a fleet. */
function reach(kind, { confirmed, unconfirmed, only_here: onlyHere }) {
  if (!confirmed) return "";
  const names = (replicas) => replicas.map(visible).join(", ");
  if (onlyHere) {
    const then = kind === "hold" ? "The hold reaches the others once the shared state is back" : "Ask again once it is back";
    return `. ONLY on ${names(confirmed)}: the shared state cannot be reached. ${then}.`;
  }
  const missing = unconfirmed.length ? `. NOT confirmed by ${names(unconfirmed)}` : "";
  return ` on ${plural(confirmed.length, "replica")}${missing}`;
}

async function post(kind, body, shown) {
  const response = await fetch(`/api/campaigns/${kind}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${shown}` },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  let said;
  try { said = JSON.parse(text); } catch { said = { error: text }; }
  return { status: response.status, said };
}

/** Show a message in the corner for some seconds; longer messages stay longer. */
export function toast(words) {
  const element = make("p", "toast", words);
  byId("toasts").append(element);
  setTimeout(() => element.remove(), Math.max(6000, words.length * 100));
}
