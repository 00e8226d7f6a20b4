// Connects the parts of the page: messages go to the model, and each part draws it once a frame.

import { Ask, toast } from "./ask.js";
import { Campaigns } from "./campaigns.js";
import { arrange, byId, make, say } from "./dom.js";
import { listen } from "./feed.js";
import { Figures } from "./figures.js";
import { Guard } from "./guard.js";
import { Model } from "./model.js";
import { Callers, Failures } from "./panels.js";
import { Plots } from "./plots.js";
import { theme } from "./theme.js";
import { plural, rate, visible } from "./words.js";

const PULSE = { waiting: "connecting", live: "live", late: "late", lost: "connection lost, trying again" };

theme(byId("theme"));

const model = new Model();
const campaigns = new Campaigns((kind, id) => ask.about(kind, id));
const ask = new Ask(model, toast, (id) => { if (model.totals) { campaigns.show(model); campaigns.focus(id); } });
const parts = [
  new Figures(byId("figures")), new Plots(), campaigns, new Callers(), new Failures(toast),
  new Guard(), ask,
];
let drawing = 0;

function showAll() {
  drawing = 0;
  const began = performance.now();
  for (const part of parts) part.show(model);
  showNotices();
  performance.measure("look", { start: began });
  document.documentElement.dataset.look = String(model.at);
}

function showNotices() {
  const { totals } = model;
  const here = visible(totals.replica) || "this replica";
  say(byId("where"), visible(totals.replica));
  const title = totals.replica ? `${visible(totals.replica)} - Dial gateway` : "Dial gateway";
  if (document.title !== title) document.title = title;
  const others = model.replicas.length > 1;
  say(byId("campaigns-aside"), others ? `of ${plural(model.replicas.length, "replica")}` : "");
  say(byId("whose"), others ? `Campaigns and waiting requests of all replicas; all else of ${here} alone. Once a second.` : `Figures of ${here} alone, once a second.`);
  const notices = [];
  if (totals.draining) notices.push(["bad", "Draining.", "This replica takes no more dial requests. It sends or answers those that it has."]);
  if (totals.failing) notices.push(["bad", "Amazon Connect fails.", totals.connect]);
  if (totals.guard?.failing.length) notices.push(["bad", "The audit trail cannot be written.", "If the trail is required, nothing is dialed until it can be written again."]);
  if (totals.guard?.unusable) notices.push(["warn", "Rules or lists cannot be used.", `${plural(totals.guard.unusable, "file")} missing or invalid: the content that was read before applies.`]);
  if (totals.rate < totals.ceiling) {
    notices.push(["warn", "Amazon Connect throttles calls.", `The rate is cut to ${rate(totals.rate)} of ${rate(totals.ceiling)} a second, and grows back.`]);
  }
  const silent = model.replicas.filter((replica) => !replica.reported).map((replica) => visible(replica.name));
  if (silent.length) notices.push(["warn", "Replicas are missing.", `The campaigns do not include ${silent.join(", ")}: no report from there.`]);
  const left = Object.values(totals.campaigns).reduce((sum, each) => sum + each, 0) - model.campaigns.size;
  if (left > 0) notices.push(["warn", "Very many campaigns.", `${left} of them, with the smallest backlogs, are not in the table.`]);
  const key = JSON.stringify(notices);
  if (key === byId("notices").dataset.key) return;
  byId("notices").dataset.key = key;
  arrange(byId("notices"), notices.map(([name, title, words]) => make("p", `notice ${name}`, "", make("b", "", title), make("span", "", words))));
}

listen("/api/events", (message, at) => {
  model.take(message, at);
  drawing ||= requestAnimationFrame(showAll);
}, (state) => {
  if (byId("pulse").dataset.is === state) return;
  byId("pulse").dataset.is = state;
  say(byId("pulse-words"), PULSE[state]);
});

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, dialog");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    byId("find").focus();
  }
});
