// The first load: at most so much JavaScript, gzipped, before anything can be seen.
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const MOST = 200_000;
const manifest = JSON.parse(readFileSync('dist/.vite/manifest.json', 'utf8'));
const entry = Object.values(manifest).find((part) => part.isEntry);

// The entry, what it imports, and the page that somebody who is signed in sees first.
const first = new Set();
function take(part) {
  if (!part || first.has(part.file)) return;
  first.add(part.file);
  for (const name of part.imports ?? []) take(manifest[name]);
}
take(entry);
take(manifest['src/routes/home/HomePage.tsx']);

let sum = 0;
for (const file of first) sum += gzipSync(readFileSync(`dist/${file}`), { level: 9 }).length;
console.log(
  `first load: ${(sum / 1000).toFixed(1)} kB of JavaScript, gzipped, in ${first.size} files; at most ${MOST / 1000} kB`,
);
if (MOST < sum) process.exitCode = 1;
