// The governor's part of the page: what it holds, how far each rule is, what the firm counts, what it
// refused and did. Numbers are the engine's own and words come ready from the server, the same that
// `tsq status` prints. Helpers (make, dollars, table, ...) are those of page.js.
"use strict";

const NEAR_SHARE = 0.7;

function drawAlarm(now) {
  const box = $("alarm"), texts = now.risk.alarms;
  box.hidden = !texts.length;
  box.replaceChildren(...texts.map((text) => make("div", "", make("strong", "", "Look at the platform now. "), text)));
}

function drawHeld(now) {
  const box = $("held"), held = now.risk.latches;
  box.hidden = !held.length;
  box.replaceChildren(...held.map((row) => {
    const when = [`since ${clock(row.since)} CT`, row.until ? `until ${clockShort(row.until)} CT` : "", `by ${row.owner}`];
    const [command, ...rest] = row.how.split(", ");
    const ends = command.startsWith("tsq ") ? [make("code", "", command), rest.length ? `, ${rest.join(", ")}` : ""] : [row.how];
    return make("article", `latch ${row.alarm ? "DANGER" : row.binds ? "WATCH" : "news"}`,
      make("div", "top", make("strong", "", row.name), make("span", "does", row.does),
        make("span", "scope", row.scope === "account" ? "whole account" : `sleeve ${words(row.scope)}`)),
      make("div", "why", row.cause),
      make("div", "when", row.numbers),
      make("div", "when", when.filter(Boolean).join(" \u00b7 ")),
      make("div", "ends", "Ends: ", row.who === row.how.slice(0, row.who.length) ? "" : `${row.who}: `, ...ends));
  }));
}

function drawLayers(now) {
  const held = new Map(now.risk.latches.map((row) => [row.key, row.binds]));
  const known = now.risk.layers.length > 0;
  const rows = now.risk.layers.map((row) => {
    const level = row.gain ? "gain" : held.get(row.rule) ? "DANGER" : held.has(row.rule) || row.used >= NEAR_SHARE ? "WATCH" : "";
    const fill = make("i", level);
    fill.style.width = `${row.used * 100}%`;
    const left = held.has(row.rule) ? "held" : row.room <= 0 ? "acts now" : `${row.gain ? "+" : ""}${dollars(row.room)}`;
    return make("div", `layer ${level}`,
      make("span", "name", row.name), make("div", "bar", fill),
      make("span", "left", left), make("span", "at", `at ${signed(row.at).replace(/\.00$/, "")}`));
  });
  $("layers").className = now.safety.stale ? "stale" : "";
  put("layers", ...(known ? rows : [make("p", "none", "Not known: no reconciled balance, or a position without a quote.")]));
}

function drawRooms(now) {
  put("rooms", table(["Contract", "Ticks", "Next rule", "Would fit"],
    now.risk.rooms.map((row) => ({ cells: [
      make("strong", "", row.name), row.ticks === null ? make("span", "muted", "flat") : number(row.ticks, 0),
      row.price === null ? make("span", "muted", "nothing can lose") : make("span", "long", `${row.rule_name} at ${price(row.price, row.name)}`),
      `${row.contracts} more`,
    ] })), "No contract quoted yet."));
}

function drawFirm(now) {
  const firm = now.risk.firm;
  $("pack").textContent = firm === null ? "" : firm.rules;
  if (firm === null) {
    put("firm", make("p", "none", "Not known before the first reconciled balance."));
    return;
  }
  const facts = make("dl", "facts");
  const fact = (name, ...value) => facts.append(make("dt", "", name), make("dd", "", ...value));
  fact("Profit of finished days", dollars(firm.profit), firm.needed === null ? "" : ` of ${dollars(firm.needed, 0)} to pass`);
  if (firm.best_percent_below !== null) {
    fact("Best day", `${dollars(firm.best_day)}, ${firm.best_percent} % of profit`,
      make("span", firm.profit > 0 && firm.best_percent >= firm.best_percent_below ? "warn" : "muted", ` (below ${firm.best_percent_below} %)`));
  }
  if (firm.pays) {
    if (firm.winning_days_needed) fact(`Winning days (${dollars(firm.winning_day, 0)} or more)`, `${firm.winning_days} of ${firm.winning_days_needed}`);
    if (firm.traded_days_needed) fact("Days traded", `${firm.traded_days} of ${firm.traded_days_needed}`);
    fact("Payout", firm.payable > 0 ? make("strong", "ok", `up to ${dollars(firm.payable)} may be asked for`) : make("span", "muted", "none may be asked for yet"));
    fact("Floor after a payout", dollars(firm.floor_after, 0));
  }
  fact("Most that may be held today", `${firm.cap_minis} minis`);
  fact("Worst case of what is held and working", now.risk.worst_equity === null ? DASH : dollars(now.risk.worst_equity));
  if (now.risk.kept) fact("Waits for 17:00 CT", now.risk.kept);
  put("firm", facts);
}

function drawVetoes(now) {
  const times = (count) => (count > 1 ? make("span", "times", ` \u00d7${count}`) : null);
  put("vetoes", ...(now.vetoes.length ? now.vetoes.map((row) => {
    const line = make("div", "told", make("div", "head", make("strong", "", words(row.sleeve)), ` ${row.name}`, times(row.times),
      make("span", "age", span(row.changed_s))), make("div", "text", row.headline));
    line.title = row.sentence;
    return line;
  }) : [make("p", "none", "Nothing was refused yet.")]));
}

function drawActions(now) {
  put("actions", ...(now.risk.actions.length ? now.risk.actions.map((row) => {
    const line = make("div", "told",
      make("div", "head", make("strong", "", row.what), row.times > 1 ? make("span", "times", ` \u00d7${row.times}`) : null,
        make("span", "age", clock(row.at))),
      make("div", "text", row.why, make("span", "muted", ` \u00b7 ${row.owner}`)));
    line.title = row.numbers;
    return line;
  }) : [make("p", "none", "Nothing yet.")]));
}

function drawRisk(now) {
  drawAlarm(now);
  drawHeld(now);
  drawLayers(now);
  drawRooms(now);
  drawFirm(now);
  drawVetoes(now);
  drawActions(now);
}
