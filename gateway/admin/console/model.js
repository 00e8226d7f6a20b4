// The state that the gateway has sent: the whole state first, then differences.

const POINTS = 600;
const FAILURES = 50;
// Over plain HTTP, except on loopback, browsers do not state which page sends a request, so the gateway refuses changes.
const PLAIN = "The gateway refuses changes from a page over plain HTTP: use a port-forward to localhost, or a proxy with TLS.";

export class Model {
  constructor() {
    this.campaigns = new Map();
    this.points = [];
    this.failures = [];
    this.callers = [];
    this.replicas = [];
    this.totals = null;
    this.locked = "";
  }

  /** Apply a message; return whether it was a first one, with the whole state. */
  take(message, receivedAt) {
    if (message.first) {
      this.fields = message.fields;
      this.campaigns.clear();
      this.points = [];
      this.failures = [];
    }
    this.at = message.at;
    this.epoch = message.epoch;
    this.receivedAt = receivedAt;
    this.totals = message.totals;
    const { guard } = this.totals;
    if (guard) guard.refused = guard.refused.map((row) => this.#named("GuardRow", row));
    this.locked = message.totals.locked || (isSecureContext ? "" : PLAIN);
    for (const row of message.campaigns) {
      const campaign = this.#named("Campaign", row);
      campaign.hold = campaign.hold && this.#named("RecordedAction", campaign.hold);
      campaign.last = campaign.last && this.#named("RecordedAction", campaign.last);
      campaign.parts = campaign.parts.map((part) => this.#named("ReplicaPart", part));
      this.campaigns.set(campaign.campaign_id, campaign);
    }
    for (const id of message.gone) this.campaigns.delete(id);
    this.points = this.points.concat(message.points.map((row) => this.#named("Point", row))).slice(-POINTS);
    this.failures = this.failures
      .concat(message.failures.map((row) => this.#named("FailedCall", row))).slice(-FAILURES);
    if (message.callers) this.callers = message.callers.map((row) => this.#named("CallerRow", row));
    if (message.replicas) this.replicas = message.replicas.map((row) => this.#named("Replica", row));
    return Boolean(message.first);
  }

  /** Seconds since the epoch of an instant on the gateway's clock. */
  epochOf(instant) { return this.epoch + (instant - this.at); }

  /** The sum of a field's parts a second, over the last `seconds`. */
  recentRate(seconds, of) {
    const recent = this.points.filter((point) => point.at > this.at - seconds);
    const lasted = recent.reduce((sum, point) => sum + point.seconds, 0);
    return lasted ? recent.reduce((sum, point) => sum + of(point), 0) / lasted : 0;
  }

  #named(kind, row) {
    return Object.fromEntries(this.fields[kind].map((name, index) => [name, row[index]]));
  }
}
