// Every text exists in every language, and every text that the code names exists.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const base = 'src/locales';
const faults = [];
const plural = /_(zero|one|two|few|many|other)$/;

function keys(value, path = '') {
  return typeof value === 'string'
    ? [path]
    : Object.entries(value).flatMap(([key, inner]) => keys(inner, path ? `${path}.${key}` : key));
}

function texts(language) {
  const found = new Map();
  for (const file of readdirSync(join(base, language)).filter((name) => name.endsWith('.json'))) {
    const content = JSON.parse(readFileSync(join(base, language, file), 'utf8'));
    found.set(file.replace('.json', ''), new Set(keys(content).map((key) => key.replace(plural, ''))));
  }
  return found;
}

const english = texts('en');
// The server's own sentences are English.
const SERVERS = 'problems';
for (const language of readdirSync(base).filter((name) => name !== 'en')) {
  const other = texts(language);
  if (!other.get(SERVERS)?.size) faults.push(`${language}/${SERVERS}.json is missing`);
  for (const [name, known] of english) {
    const theirs = other.get(name) ?? new Set();
    for (const key of known) if (!theirs.has(key)) faults.push(`${language}/${name}.json lacks \`${key}\``);
    for (const key of theirs)
      if (!known.has(key)) faults.push(`${language}/${name}.json has \`${key}\`, which en has not`);
  }
}

function sources(dir) {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory()
      ? sources(join(dir, entry.name))
      : /\.tsx?$/.test(entry.name)
        ? [join(dir, entry.name)]
        : [],
  );
}

for (const file of sources('src')) {
  const code = readFileSync(file, 'utf8');
  const declared = /useTranslation\((?:\[\s*)?'([\w-]+)'/.exec(code)?.[1] ?? 'common';
  for (const [, quoted] of code.matchAll(/\bt\('([^']+)'/g)) {
    const [name, key] = quoted.includes(':') ? quoted.split(':') : [declared, quoted];
    if (!english.get(name)?.has(key) && !english.get('common')?.has(key)) {
      faults.push(`${file}: \`${quoted}\` is no text of ${name}.json`);
    }
  }
}

if (faults.length > 0) {
  console.error(faults.join('\n'));
  process.exitCode = 1;
}
