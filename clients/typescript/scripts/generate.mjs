// Generates the stubs in src/gen from protos/. With --check it changes nothing, and fails if they are not up to date.
// BUF is the path of buf, by default that of the search path.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

const client = join(import.meta.dirname, "..");
const stubs = join(client, "src", "gen");

function generate(base) {
  const bin = join(client, "node_modules", ".bin");
  const { status, error } = spawnSync(process.env.BUF ?? "buf", ["generate", "--output", base], {
    cwd: client,
    env: { ...process.env, PATH: `${bin}:${process.env.PATH}` },
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (error !== undefined) console.error(`buf cannot be run, set BUF to its path: ${error.message}`);
  if (status !== 0) process.exit(1);
}

function files(folder) {
  const found = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    found.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [relative(folder, path), readFileSync(path, "utf8")];
    }),
  );
}

if (!process.argv.includes("--check")) {
  generate(client);
} else {
  const folder = mkdtempSync(join(tmpdir(), "stubs-"));
  try {
    generate(folder);
    const [fresh, committed] = [files(join(folder, "src", "gen")), files(stubs)];
    const names = new Set([...fresh.keys(), ...committed.keys()]);
    const different = [...names].filter((name) => fresh.get(name) !== committed.get(name));
    for (const name of different) console.error(`src/gen/${name} differs from protos/: run \`npm run generate\``);
    process.exitCode = different.length === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
