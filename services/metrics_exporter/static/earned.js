// Who earned what today: one row per owner and their sum, and what fills cost against the price that
// was expected. Helpers (make, dollars, table, ...) are those of page.js.
"use strict";

function drawEarned(now) {
  const day = now.attribution, off = day.unexplained_dollars;
  put("earned-sum", day.trading_day, off === null ? "" : off === 0
    ? " \u00b7 sums to the balance to the cent"
    : make("span", "", " \u00b7 the balance also moved by ", make("strong", "", signed(off)), " without a trade"));
  put("earned", table(
    ["Who", "Net", "~Fees", "Round trips", "Won", "Each", "~MAE", "~MFE", "~Held", "Slip"],
    day.earned.map((row) => ({ className: row.owner === "account" ? "sum" : "", cells: [
      make("strong", "", words(row.owner)), make("span", tone(row.net_dollars), signed(row.net_dollars)),
      dollars(row.fees_dollars), row.trips, row.win_percent === null ? DASH : `${row.win_percent}%`,
      make("span", tone(row.expectancy_dollars), signed(row.expectancy_dollars)),
      signed(row.adverse_dollars), signed(row.favourable_dollars),
      row.held_s === null ? DASH : span(row.held_s), slipText(row.slip_ticks),
    ] })), "Nobody has traded today."));
  put("slips", table(["Order", "Hour CT", "Contracts", "Slip", "~Worst"],
    slipRows(day.slips).map((row) => ({ cells: [
      words(row.type), row.hour < 0 ? DASH : `${String(row.hour).padStart(2, "0")}h`, row.contracts,
      slipText(row.total / row.contracts), `${row.worst} ticks`,
    ] })), "No fill with an expected price yet."));
}

const slipText = (ticks) => ticks === null ? DASH
  : make("span", ticks > 0 ? "loss" : ticks < 0 ? "gain" : "", `${ticks > 0 ? "+" : sign(ticks)}${number(ticks, 2)} ticks`);

// Of all owners together: the page has room for kinds and hours, the API has each owner's.
function slipRows(slips) {
  const found = new Map();
  for (const slip of slips) {
    const key = `${String(slip.hour + 1).padStart(2, "0")} ${slip.type}`;
    const row = found.get(key) || { type: slip.type, hour: slip.hour, contracts: 0, total: 0, worst: 0 };
    row.contracts += slip.contracts;
    row.total += slip.ticks * slip.contracts;
    row.worst = Math.max(row.worst, slip.worst);
    found.set(key, row);
  }
  return [...found.keys()].sort().map((key) => found.get(key));
}
