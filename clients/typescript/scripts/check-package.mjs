// Packs the client, and uses the package like a service does: its contents, its types and its exports.

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const client = join(import.meta.dirname, "..");
const folder = mkdtempSync(join(tmpdir(), "package-"));
const run = (command, args, cwd = folder) => execFileSync(command, args, { cwd, encoding: "utf8" });

try {
  const [packed] = JSON.parse(run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], client));
  const names = packed.files.map((file) => file.path);
  const wrong = names.filter((name) => !/^(dist\/.*\.(js|d\.ts|js\.map)|README\.md|LICENSE|package\.json)$/.test(name));
  if (wrong.length > 0) throw new Error(`the package contains ${wrong.join(", ")}`);
  for (const name of ["dist/index.js", "dist/index.d.ts", "README.md", "LICENSE"]) {
    if (!names.includes(name)) throw new Error(`the package lacks ${name}`);
  }

  run("tar", ["-xzf", packed.filename]);
  const modules = join(folder, "node_modules");
  mkdirSync(modules);
  cpSync(join(folder, "package"), join(modules, "dial-gateway-client"), { recursive: true });
  for (const dependency of ["@bufbuild", "@grpc", "@opentelemetry", "@types", "undici-types"]) {
    symlinkSync(join(client, "node_modules", dependency), join(modules, dependency));
  }
  cpSync(join(client, "examples"), join(folder, "examples"), { recursive: true });
  writeFileSync(join(folder, "package.json"), '{"type": "module"}');
  const options = ["--noEmit", "--strict", "--module", "NodeNext", "--target", "ES2022", "--types", "node"];
  run(join(client, "node_modules", ".bin", "tsc"), [...options, "--skipLibCheck", "examples/dial.ts"]);
  const exported = run("node", [
    "-e",
    'import("dial-gateway-client").then((it) => console.log(Object.keys(it).join()))',
  ]);
  if (!exported.includes("DialGateway,")) throw new Error(`the package exports ${exported}`);
  console.log(`package: ${names.length} files, ${Math.round(packed.size / 1024)} KiB`);
} catch (error) {
  console.error(error.stdout ?? "", error.message);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}
