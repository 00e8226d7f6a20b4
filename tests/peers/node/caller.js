// Makes one call to a gateway with grpc-js: node caller.js TARGET METHOD stream|unary.
//
// It reads commands from stdin, one a line: "send HEX" sends a message, "end" half-closes. It writes what comes
// back: "message HEX", and last "status CODE DETAILS".
"use strict";
const grpc = require("@grpc/grpc-js");
const readline = require("node:readline");

const [target, method, kind] = process.argv.slice(2);
const client = new grpc.Client(target, grpc.credentials.createInsecure());
const same = (bytes) => bytes;
const codes = Object.fromEntries(Object.entries(grpc.status).map(([name, number]) => [number, name]));
const tell = (message) => console.log("message " + message.toString("hex"));
const end = ({ code, details }) => {
  console.log(`status ${codes[code]} ${details}`);
  process.exit(0);
};

const lines = readline.createInterface({ input: process.stdin });
if (kind === "unary") {
  lines.once("line", (line) => {
    const message = Buffer.from(line.split(" ")[1], "hex");
    const call = client.makeUnaryRequest(method, same, same, message, (error, answer) => answer && tell(answer));
    call.on("status", end);
  });
} else {
  const call = client.makeBidiStreamRequest(method, same, same);
  call.on("data", tell);
  call.on("error", () => {});
  call.on("status", end);
  lines.on("line", (line) => {
    const [word, value] = line.split(" ");
    if (word === "send") call.write(Buffer.from(value, "hex"));
    else call.end();
  });
}
