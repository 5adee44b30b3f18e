// The page: draws whole pictures as they come, invents nothing, and says at once when none comes.
// Ages are those of the picture plus the time since it arrived, so a page that hears nothing grows
// visibly older instead of looking alive. All text is set as text; nothing received becomes markup.
"use strict";

const LOST_AFTER_MS = 2500;
const RETRY_MS = 1000;
const MARKS = { SAFE: "\u2713", WATCH: "!", STALE: "?", DANGER: "\u2715" };
const ASKS = {
  "/api/control/stop": {
    title: "Pause entries?", yes: "Pause", text: "No new risk until the pause is ended. Exits and protection go on.",
  },
  "/api/control/start": {
    title: "End the pause?", yes: "End pause", text: "Entries are judged by the rules again. A halt is not cleared by this.",
  },
  "/api/emergency/stop": {
    title: "Flatten everything now?", yes: "Flatten now", danger: true,
    text: "Every order of the account is cancelled and every position closed, also what was made by hand. Trading halts until an operator resumes it. This works even when the governor is dead.",
  },
};

let picture = null;      // the last snapshot
let arrived = 0;         // performance.now() when it came
let heard = performance.now();
let lost = false;
let token = "";          // in memory only
let socket = null;

const $ = (id) => document.getElementById(id);

function make(tag, className, ...content) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const part of content) {
    if (part !== null && part !== undefined) node.append(part);
  }
  return node;
}

// -- figures -----------------------------------------------------------------------------------

const DASH = "\u2013";
const number = (value, digits) =>
  Math.abs(value).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const sign = (value) => (value < 0 ? "\u2212" : "");
const dollars = (value, digits = 2) => (value === null ? DASH : `${sign(value)}$${number(value, digits)}`);
const signed = (value) => (value === null ? DASH : `${value > 0 ? "+" : sign(value)}$${number(value, 2)}`);
const lots = (value) => (value > 0 ? `+${value}` : value < 0 ? `\u2212${-value}` : "0");
const tone = (value) => (value > 0 ? "gain" : value < 0 ? "loss" : "");
const words = (text) => text.replaceAll("_", " ").toLowerCase();

function span(seconds) {
  const left = Math.max(0, seconds);
  if (left < 10) return `${left.toFixed(1)} s`;
  if (left < 120) return `${Math.round(left)} s`;
  if (left < 7200) return `${Math.round(left / 60)} min`;
  if (left < 172800) return `${Math.round(left / 3600)} h`;
  return `${Math.round(left / 86400)} d`;
}

function countdown(seconds) {
  if (seconds <= 0) return "now";
  const hours = Math.floor(seconds / 3600), minutes = Math.floor((seconds % 3600) / 60);
  if (hours >= 1) return `${hours} h ${String(minutes).padStart(2, "0")} min`;
  return minutes >= 1 ? `${minutes} min ${String(Math.floor(seconds % 60)).padStart(2, "0")} s` : `${Math.floor(seconds)} s`;
}

const central = new Intl.DateTimeFormat("en-GB", {
  timeZone: "America/Chicago", hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false,
});
const centralDay = new Intl.DateTimeFormat("en-GB", {
  timeZone: "America/Chicago", weekday: "short", day: "numeric", month: "short",
});
const clock = (unix) => central.format(new Date(unix * 1000));
const clockShort = (unix) => clock(unix).slice(0, 5);

let digits = {};         // contract name -> decimals of its tick

const price = (value, name) => (value === null ? DASH : number(value, digits[name] ?? 2));

function age(row, changed) {
  const seconds = changed ? row.changed_s : row.age_s;
  const node = make("span", "age", seconds === null ? "never" : span(seconds));
  if (row.at) node.title = `said at ${clock(row.at)} CT`;
  return row.stale ? make("span", "", make("span", "STALEWORD", "STALE "), node) : node;
}

// -- parts -------------------------------------------------------------------------------------

// A head that begins with ~ is a column for wide screens only.
function table(heads, lines, empty) {
  if (!lines.length) return make("p", "none", empty);
  const rows = lines.map((cells) => {
    const row = make("tr", cells.className || "");
    cells.cells.forEach((cell, at) => row.append(make("td", heads[at].startsWith("~") ? "roomy" : "", cell)));
    return row;
  });
  const top = make("tr", "");
  for (const head of heads) top.append(make("th", head.startsWith("~") ? "roomy" : "", head.replace("~", "")));
  return make("div", "scroll", make("table", "", make("thead", "", top), make("tbody", "", ...rows)));
}

function put(id, ...nodes) {
  $(id).replaceChildren(...nodes);
}

function tile(name, value, sub, options = {}) {
  const node = make("div", `tile ${options.level || ""} ${options.stale ? "stale" : ""}`);
  const head = make("div", "name", make("span", "", name));
  if (options.stale) head.append(make("span", "STALEWORD", "STALE"));
  node.append(head, make("div", "value", value), make("div", "sub", ...[sub].flat()));
  if (options.share !== undefined && options.share !== null) {
    const fill = make("i", options.level || "");
    fill.style.width = `${Math.max(0, Math.min(1, options.share)) * 100}%`;
    node.append(make("div", "bar", fill));
  }
  return node;
}

function sparkline(closes) {
  const box = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  box.setAttribute("class", "line");
  box.setAttribute("viewBox", "0 0 120 26");
  box.setAttribute("preserveAspectRatio", "none");
  box.setAttribute("aria-hidden", "true");
  if (closes.length > 1) {
    const low = Math.min(...closes), high = Math.max(...closes), range = high - low || 1;
    const points = closes.map((close, at) =>
      `${((at * 120) / (closes.length - 1)).toFixed(1)},${(24 - ((close - low) * 22) / range).toFixed(1)}`);
    const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
    line.setAttribute("points", points.join(" "));
    box.append(line);
  }
  return box;
}

// -- the picture -------------------------------------------------------------------------------

function drawVerdict(level, reasons) {
  document.body.dataset.level = level;
  $("mark").textContent = MARKS[level] || "?";
  if ($("word").textContent !== level) $("word").textContent = level;
  document.title = `${level} \u00b7 topstepquant`;
  put("reasons", ...reasons.map((reason) => make("li", reason.level, reason.level === "SAFE" ? "" : make("b", "", reason.level), reason.text)));
}

function drawTiles(now) {
  const safe = now.safety, stale = safe.stale;
  const near = (share) => (share >= 1 ? "DANGER" : share >= 0.7 ? "WATCH" : "");
  const floorSub = safe.floor === null ? ["not known yet"] : [
    make("div", "", `equity ${dollars(safe.equity, 0)} over floor ${dollars(safe.floor, 0)}`),
    make("div", "", `${safe.floor_distance_ticks === null ? "nothing open" : `${number(safe.floor_distance_ticks, 0)} ticks of what is open`} \u00b7 ${safe.floor_distance_trades} full losses`),
  ];
  const next = now.risk.layers.find((row) => !row.gain && row.room > 0);
  const spent = safe.headroom !== null && safe.headroom <= 0;
  const risky = safe.open_risk === null ? null : safe.open_risk / safe.open_risk_limit;
  const naked = now.positions.filter((row) => row.unprotected_s > 0);
  const covered = now.positions.length && !naked.length;
  const oldest = now.market.reduce((worst, row) =>
    (worst === null || row.age_s === null || (worst.age_s !== null && row.age_s > worst.age_s) ? row : worst), null);
  const left = safe.seconds_to_flat;
  const silent = (actor) => now.processes.some((row) => row.actor === actor && row.silent);
  put("tiles",
    tile("Headroom", spent ? "none" : dollars(safe.headroom), safe.headroom === null ? "not known yet" : `to the ${words(now.risk.next_rule)}`,
      { stale, share: safe.headroom === null ? null : now.risk.layers.find((row) => row.name === now.risk.next_rule)?.used,
        level: spent ? "WATCH" : "" }),
    tile("Distance to floor", dollars(safe.floor_distance, 0), floorSub, {
      stale, share: now.risk.layers.find((row) => row.rule === "floor")?.used,
    }),
    tile("Session net", signed(safe.session_net), next ? `next: ${words(next.name)} at ${signed(next.at)}` : "", { stale }),
    tile("Open risk", dollars(safe.open_risk), `at most ${dollars(safe.open_risk_limit, 0)} if every stop fills`,
      { stale, share: risky, level: risky === null ? "" : near(risky) === "DANGER" && risky > 1 ? "DANGER" : near(Math.min(risky, 0.99)) }),
    tile("Protection",
      naked.length ? `${naked.length} naked` : covered ? "covered" : now.router_silent ? DASH : "flat",
      now.router_silent && !now.positions.length ? "not known: the router is silent" : naked.length ? `longest ${span(Math.max(...naked.map((row) => row.unprotected_s)))} without a stop`
        : covered ? `${now.positions.length} ${now.positions.length === 1 ? "position has" : "positions have"} stops at the venue` : "nothing to protect",
      { level: naked.length ? "DANGER" : "", stale: now.router_silent }),
    tile("Time to flat", left === null ? DASH : countdown(left),
      left === null ? "no session known yet"
        : `flat by ${clockShort(safe.flat_by)} CT \u00b7 ${words(safe.phase)}${now.speed === 1 ? "" : ` \u00b7 market time, ${now.speed}\u00d7`}`,
      { level: left !== null && left < 1800 && now.positions.length ? "WATCH" : "", stale: left === null || silent("market_data_gateway") }),
    tile("Feed age", oldest === null || oldest.age_s === null ? DASH : span(oldest.age_s),
      `${words(safe.feed_state)}${oldest === null ? "" : ` \u00b7 oldest is ${oldest.name}`}${safe.feed_reason ? ` \u00b7 ${safe.feed_reason}` : ""}`,
      { stale: oldest === null || oldest.stale }),
    tile("Entries today", `${safe.trades_today} of ${safe.trades_limit}`,
      safe.trades_today >= safe.trades_limit ? "no more before 17:00 CT; quotes have a budget of their own" : now.risk.recovery ? "recovery: half size" : "directional; quotes have a budget of their own",
      { stale, share: safe.trades_today / Math.max(1, safe.trades_limit), level: now.risk.recovery ? "WATCH" : "" }),
  );
}

function drawFlatten(now) {
  const box = $("flatten"), flat = now.flatten;
  box.hidden = !flat;
  if (!flat) return;
  const parts = [flat.by ? `by ${words(flat.by)}` : "nobody has begun", flat.cause, flat.detail,
    flat.seconds === null ? "" : `for ${span(flat.seconds)}`].filter(Boolean);
  box.replaceChildren(make("strong", "", `Flatten: ${words(flat.stage)}`), parts.join(" \u00b7 "));
}

function drawPositions(now) {
  put("positions", table(
    ["Contract", "Position", "~Entry", "~Mark", "Open", "Stops", "~Sleeve", "Quote", "Changed"],
    now.positions.map((row) => ({ cells: [
      make("strong", "", row.name), lots(row.position), price(row.entry, row.name), price(row.mark, row.name),
      make("span", tone(row.open_dollars), signed(row.open_dollars)),
      row.unprotected_s > 0
        ? make("span", "bad", `${row.protected} of ${Math.abs(row.position)}, naked ${span(row.unprotected_s)}`)
        : make("span", "ok", `${row.protected} of ${Math.abs(row.position)}`),
      words(row.sleeve || "nobody"),
      row.quote_age_s === null ? make("span", "bad", "none") : make("span", "age", span(row.quote_age_s)),
      age(row, true),
    ] })), now.router_silent ? "Not known: the order router is silent." : "Flat: no open position."));
}

function drawSleeves(now) {
  const sum = (name) => now.totals.reduce((total, row) => total + row[name], 0);
  $("today").textContent = `today ${sum("fills")} fills, ${sum("contracts")} contracts, ${dollars(sum("fees_dollars"))} fees`;
  put("sleeves", ...now.sleeves.map((row) => {
    const state = make("span", "state", row.stale ? make("span", "STALEWORD", "STALE") : words(row.state));
    const facts = make("dl", "");
    const fact = (name, value) => facts.append(make("dt", "", name), make("dd", "", value));
    fact("asked / let / vetoed", `${row.intents} / ${row.approvals} / ${row.vetoes}`);
    const today = now.totals.find((total) => total.sleeve === row.sleeve);
    fact("contracts, fees today", today ? `${today.contracts}, ${dollars(today.fees_dollars)}` : `0, ${dollars(0)}`);
    if (row.regime) fact("market", `${row.regime.toLowerCase()}${row.sheltered ? ", waits" : ""}`);
    if (row.budget !== null) fact("slice of the day", dollars(row.budget, 0));
    for (const [name, value] of Object.entries(row.numbers).slice(0, 6)) {
      fact(words(name), Number(value).toLocaleString("en-US", { maximumFractionDigits: 3 }));
    }
    const held = row.position ? lots(row.position) : "flat";
    const orders = row.working === 1 ? "1 order" : `${row.working} orders`;
    const why = [row.authority ? "" : "no authority", row.reason].filter(Boolean).join(" \u00b7 ");
    return make("article", row.off ? "card off" : "card",
      make("div", "top", make("span", "title", words(row.sleeve)), state),
      make("div", `money ${tone(row.net_dollars)}`, signed(row.net_dollars),
        row.net_stale && row.net_dollars !== null ? make("span", "STALEWORD", " STALE") : null),
      make("div", "line", `${row.name} ${held} \u00b7 ${orders} \u00b7 heard `, age(row, false)),
      row.off ? make("div", "line bad", "switched off by the governor") : why ? make("div", "line", why) : null, facts);
  }));
}

function drawLists(now) {
  put("fills", table(["Sleeve", "Contract", "Side", "Price", "~Fee", "~For", "Age"],
    now.fills.map((row) => ({ className: row.voided ? "void" : "", cells: [
      words(row.sleeve || "human"), row.name, `${row.side === "BUY" ? "buy" : "sell"} ${row.size}`, price(row.price, row.name),
      dollars(row.fee_dollars), words(row.purpose), make("span", "age", span(row.changed_s)),
    ] })), "No fill yet."));
  put("orders", table(["~Sleeve", "Contract", "Order", "Price", "For", "Age"],
    now.orders.slice(0, 24).map((row) => ({ cells: [
      words(row.sleeve || "human"), row.name, `${row.side === "BUY" ? "buy" : "sell"} ${row.size - row.filled} ${words(row.type)}`,
      price(row.stop === null ? row.limit : row.stop, row.name),
      make("span", row.state === "UNKNOWN" ? "bad" : "", row.state === "WORKING" ? words(row.purpose) : `${words(row.purpose)}, ${words(row.state)}`),
      age(row, true),
    ] })), now.router_silent ? "Not known: the order router is silent." : "No order works."));
  put("market", table(["Contract", "Bid", "Ask", "Last hour", "Age"],
    now.market.map((row) => ({ cells: [make("strong", "", row.name), price(row.bid, row.name), price(row.ask, row.name), sparkline(row.closes), age(row, false)] })),
    "No contract listed yet."));
  put("processes", ...now.processes.map((row) => make("div", "chip",
    make("span", "who", words(row.actor), make("small", "", [row.age_s === null || row.state === "READY" ? "" : words(row.state), row.note, row.restarts ? `${row.restarts} restarts` : "", row.inbox > 100 ? `${row.inbox} waiting` : ""].filter(Boolean).join(", "))),
    row.silent ? make("span", "bad", row.age_s === null ? "never" : `silent ${span(row.age_s)}`) : make("span", "age", span(row.age_s)))));
}

function draw(now) {
  digits = Object.fromEntries(now.market.map((row) => [row.name, row.digits]));
  put("account", now.account, now.balance === null ? "" : `  ${dollars(now.balance)}`,
    now.router_silent && now.balance !== null ? make("span", "STALEWORD", " STALE") : "");
  $("environment").textContent = now.environment === "SIM" ? "simulated" : now.environment.toLowerCase();
  $("environment").classList.toggle("real", now.environment !== "SIM");
  $("clock").textContent = now.now ? `${centralDay.format(new Date(now.now * 1000))} ${clock(now.now)} CT` : DASH;
  $("speed").textContent = now.speed === 1 ? "" : `${now.speed}\u00d7`;
  const calm = [{ level: "SAFE", text: "protected, fresh, within every limit" }];
  drawVerdict(now.verdict.level, now.verdict.reasons.length ? now.verdict.reasons : calm);
  drawFlatten(now);
  drawRisk(now);
  drawTiles(now);
  drawPositions(now);
  drawSleeves(now);
  drawEarned(now);
  drawLists(now);
}

// -- the link ----------------------------------------------------------------------------------

function watch() {
  const silence = performance.now() - heard;
  if (silence < LOST_AFTER_MS) return;
  lost = true;
  document.body.classList.add("lost");
  document.body.classList.remove("live");
  const old = picture === null ? "no picture yet" : `the picture below is ${span((performance.now() - arrived) / 1000)} old`;
  $("link").textContent = "connection lost";
  drawVerdict("STALE", [
    { level: "STALE", text: `this page has no connection; ${old}` },
    { level: "STALE", text: "the processes may be well: ask `tsq status`, or stop with `tsq flatten`" },
  ]);
}

function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  socket = new WebSocket(`${scheme}://${location.host}/ws`);
  socket.onmessage = (message) => {
    heard = arrived = performance.now();
    picture = JSON.parse(message.data);
    if (lost || !document.body.classList.contains("live")) {
      lost = false;
      document.body.classList.remove("lost");
      document.body.classList.add("live");
      $("link").textContent = "live";
    }
    draw(picture);
  };
  socket.onclose = () => {
    heard = Math.min(heard, performance.now() - LOST_AFTER_MS);
    watch();
    setTimeout(connect, RETRY_MS);
  };
  socket.onerror = () => socket.close();
}

// -- acting ------------------------------------------------------------------------------------

function ask(path) {
  const dialog = $("ask"), wish = ASKS[path];
  $("ask-title").textContent = wish.title;
  $("ask-text").textContent = wish.text;
  $("ask-yes").textContent = wish.yes;
  $("ask-yes").className = wish.danger ? "stop" : "";
  $("token").value = token;
  dialog.returnValue = "no";
  dialog.onclose = () => {
    if (dialog.returnValue === "yes") act(path, $("token").value.trim());
    $("token").value = "";
  };
  dialog.showModal();
  (token ? $("ask-yes") : $("token")).focus();
}

async function act(path, given) {
  const said = $("said");
  said.textContent = "asking\u2026";
  try {
    const answer = await fetch(path, {
      method: "POST", headers: { Authorization: `Bearer ${given}`, "Content-Type": "application/json" }, body: "{}",
    });
    const told = await answer.json();
    token = answer.status === 401 ? "" : given;
    if (answer.status === 401) said.textContent = "refused: wrong token";
    else if (path.endsWith("emergency/stop")) {
      said.textContent = !told.written ? "the request could not be written; use tsq flatten"
        : told.governor ? "flatten requested; the governor answered" : "flatten requested; the governor is silent, router and sentinel act";
    } else said.textContent = told.text || told.error || (told.done ? "done" : "refused");
  } catch {
    said.textContent = "no answer; use tsq flatten in a terminal";
  }
}

for (const button of document.querySelectorAll("[data-act]")) {
  button.addEventListener("click", () => ask(button.dataset.act));
}
// Enter in the token field confirms; it must not fall on the first button, which cancels.
$("token").addEventListener("keydown", (event) => {
  if (event.key === "Enter") {
    event.preventDefault();
    $("ask").close("yes");
  }
});
setInterval(watch, 500);
connect();
