/** The browser and the system of a session, as far as its `User-Agent` tells. */
export function deviceOf(agent: string): { program: string; system: string | null } {
  const found = PROGRAMS.find(([pattern]) => pattern.test(agent));
  const system = SYSTEMS.find(([pattern]) => pattern.test(agent))?.[1] ?? null;
  return { program: found?.[1] ?? /^[\w.-]+/.exec(agent)?.[0] ?? '', system };
}

// The order counts: everybody claims to be those further down.
const PROGRAMS: [RegExp, string][] = [
  [/\bberth\//i, 'berth'],
  [/\bcurl\//i, 'curl'],
  [/\bEdgA?\//, 'Edge'],
  [/\bOPR\//, 'Opera'],
  [/\bFirefox\/|\bFxiOS\//, 'Firefox'],
  [/HeadlessChrome\//, 'Headless Chrome'],
  [/\bChrome\/|\bCriOS\//, 'Chrome'],
  [/\bSafari\//, 'Safari'],
];

const SYSTEMS: [RegExp, string][] = [
  [/Android/, 'Android'],
  [/iPhone|iPad/, 'iOS'],
  [/Windows/, 'Windows'],
  [/Mac OS X|Macintosh/, 'macOS'],
  [/CrOS/, 'ChromeOS'],
  [/Linux/, 'Linux'],
];
