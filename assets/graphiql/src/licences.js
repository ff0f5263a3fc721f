// Prints the licence of every package that went into a bundle: licences.js METAFILE
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

const meta = JSON.parse(readFileSync(process.argv[2], "utf8"));
const directories = new Set();
for (const input of Object.keys(meta.inputs)) {
  const found = input.match(/^.*node_modules\/(?:@[^/]+\/)?[^/]+/);
  if (found) directories.add(found[0]);
}

const texts = [...directories].sort().map((directory) => {
  const { name, version, license } = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
  const file = readdirSync(directory).find((file) => /^licen[cs]e/i.test(file));
  const text = file && existsSync(join(directory, file)) ? readFileSync(join(directory, file), "utf8") : "";
  if (!license) throw new Error(`${name} names no licence`);
  return `${name} ${version} (${license})\n\n${text.trim()}\n`;
});
process.stdout.write(texts.join(`\n${"-".repeat(80)}\n\n`));
