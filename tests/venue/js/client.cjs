// The official SignalR client on a leash: does what standard input says, tells what it hears.
//
// One JSON object per line in, one per line out. `VENUE_JS` is the folder with node_modules.
"use strict";

const readline = require("node:readline");

const from = (name) => require(require.resolve(name, { paths: [process.env.VENUE_JS] }));
const signalr = from("@microsoft/signalr");
const pack = from("@microsoft/signalr-protocol-msgpack");

const tell = (what) => process.stdout.write(JSON.stringify(what) + "\n");
const wish = JSON.parse(process.argv[2]);
const events = [
  "GatewayQuote", "GatewayTrade", "GatewayDepth", "GatewayUserAccount", "GatewayUserOrder",
  "GatewayUserPosition", "GatewayUserTrade", "GatewayLogout",
];

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
const connection = builder.build();
for (const name of events) {
  connection.on(name, (...args) => tell({ event: name, args }));
}
connection.onreconnecting((error) => tell({ state: "reconnecting", why: String(error) }));
connection.onreconnected((id) => tell({ state: "reconnected", id }));
connection.onclose((error) => tell({ state: "closed", why: String(error) }));

const lines = readline.createInterface({ input: process.stdin });
lines.on("line", async (line) => {
  const [how, method, ...args] = JSON.parse(line);
  try {
    if (how === "send") {
      await connection.send(method, ...args);
      tell({ sent: method });
    } else {
      tell({ done: method, result: await connection.invoke(method, ...args) });
    }
  } catch (error) {
    tell({ failed: method, why: String(error) });
  }
});
lines.on("close", () => connection.stop().finally(() => process.exit(0)));

connection
  .start()
  .then(() => tell({ state: "up" }))
  .catch((error) => tell({ state: "refused", why: String(error) }));
