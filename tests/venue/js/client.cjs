// The official SignalR client on a leash: does what standard input says, tells what it hears.
//
// One JSON object per line in, one per line out; one connection after the other in one process, for
// starting Node costs a second. `VENUE_JS` is the folder with node_modules.
"use strict";

const readline = require("node:readline");

const from = (name) => require(require.resolve(name, { paths: [process.env.VENUE_JS] }));
const signalr = from("@microsoft/signalr");
const pack = from("@microsoft/signalr-protocol-msgpack");

const tell = (what) => process.stdout.write(JSON.stringify(what) + "\n");
const events = [
  "GatewayQuote", "GatewayTrade", "GatewayDepth", "GatewayUserAccount", "GatewayUserOrder",
  "GatewayUserPosition", "GatewayUserTrade", "GatewayLogout",
];

let connection;

async function open(wish) {
  const options = { accessTokenFactory: () => wish.token };
  if (wish.skip) {
    options.skipNegotiation = true;
    options.transport = signalr.HttpTransportType.WebSockets;
  }
  let builder = new signalr.HubConnectionBuilder()
    .withUrl(wish.url, options)
    .withAutomaticReconnect([0, 50, 100])
    .configureLogging(signalr.LogLevel.None);
  if (wish.protocol === "messagepack") {
    builder = builder.withHubProtocol(new pack.MessagePackHubProtocol());
  }
  connection = builder.build();
  for (const name of events) {
    connection.on(name, (...args) => tell({ event: name, args }));
  }
  connection.onreconnecting((error) => tell({ state: "reconnecting", why: String(error) }));
  connection.onreconnected((id) => tell({ state: "reconnected", id }));
  connection.onclose((error) => tell({ state: "closed", why: String(error) }));
  try {
    await connection.start();
    tell({ state: "up" });
  } catch (error) {
    tell({ state: "refused", why: String(error) });
  }
}

async function obey(how, method, ...args) {
  switch (how) {
    case "open":
      return open(method);
    case "stop":
      await connection.stop();
      return tell({ stopped: true });
    case "send":
      await connection.send(method, ...args);
      return tell({ sent: method });
    default:
      return tell({ done: method, result: await connection.invoke(method, ...args) });
  }
}

const lines = readline.createInterface({ input: process.stdin });
lines.on("line", async (line) => {
  const words = JSON.parse(line);
  try {
    await obey(...words);
  } catch (error) {
    tell({ failed: words[1], why: String(error) });
  }
});
lines.on("close", () => process.exit(0));
