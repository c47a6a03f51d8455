import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import react from '@vitejs/plugin-react';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

// While developing, `npm run dev` serves the page and passes the API on to a running `berth serve`.
const server = process.env.BERTH_URL ?? 'http://127.0.0.1:8080';

/** Every text is there compressed, too: a server that can sends those, and never compresses while somebody waits. */
function compressed(): Plugin {
  return {
    name: 'compressed',
    apply: 'build',
    closeBundle() {
      const dist = fileURLToPath(new URL('./dist', import.meta.url));
      for (const name of readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
        if (!/^[^.].*\.(js|css|html|svg)$/.test(name)) continue;
        const path = join(dist, name);
        const text = readFileSync(path);
        if (text.length < 1000) continue;
        writeFileSync(`${path}.br`, brotliCompressSync(text));
        writeFileSync(`${path}.gz`, gzipSync(text, { level: 9 }));
      }
    },
  };
}

/**
 * What is needed soon is asked for together with the rest, and not after it: the dashboard, to which most people come,
 * and the letters, so that nothing is set twice.
 */
function asksAhead(): Plugin {
  return {
    name: 'asks-ahead',
    apply: 'build',
    transformIndexHtml: {
      order: 'post',
      handler(html, { bundle }) {
        const parts = Object.values(bundle ?? {}).filter((part) => part.type === 'chunk');
        const home = parts.find((part) => part.facadeModuleId?.endsWith('/HomePage.tsx'));
        if (!home) throw new Error('the dashboard is no part of its own');
        const wanted = [home.fileName, ...home.imports].filter((name) => !html.includes(name));
        const letters = Object.keys(bundle ?? {}).find((name) =>
          /inter-latin-wght-normal.*\.woff2$/.test(name),
        );
        if (!letters) throw new Error('the letters are no file of their own');
        const link = (name: string, attrs: Record<string, string>) => ({
          tag: 'link',
          attrs: { ...attrs, crossorigin: true, href: `/${name}` },
          injectTo: 'head' as const,
        });
        return [
          ...wanted.map((name) => link(name, { rel: 'modulepreload' })),
          link(letters, { rel: 'preload', as: 'font', type: 'font/woff2' }),
        ];
      },
    },
  };
}

interface Modules {
  getModuleInfo: (id: string) => { importers: string[] } | null;
}

const first = new Map<string, boolean>();

/** Whether `src/main.tsx` needs the module before it can begin. */
function isFirst(id: string, modules: Modules): boolean {
  const known = first.get(id);
  if (known !== undefined) return known;
  // Modules that import each other end here.
  first.set(id, false);
  const is =
    id.endsWith('/src/main.tsx') ||
    (modules.getModuleInfo(id)?.importers ?? []).some((importer) => isFirst(importer, modules));
  first.set(id, is);
  return is;
}

/** The first load is few files, since each costs a slow processor more than its bytes. What only some pages need stays apart. */
function chunkOf(id: string, modules: Modules): string | null {
  const isOthers = /node_modules|vite\/preload-helper/.test(id) && !/lucide|\.css/.test(id);
  if (isFirst(id, modules)) return isOthers ? 'libs' : 'base';
  if (/@tanstack\/(table|react-table|virtual|react-virtual)|ui\/DataTable/.test(id)) return 'table';
  if (
    /node_modules\/(react-bootstrap|@restart|react-transition-group|dom-helpers|prop-types|@babel)/.test(id)
  )
    return 'dialogs';
  // What several pages know of a thing: what its states mean, and their words.
  if (/src\/(features\/\w+\/(state|words|MachineState)|lib\/span)\./.test(id)) return 'parts';
  return null;
}

export default defineConfig({
  plugins: [react(), asksAhead(), compressed()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  build: {
    target: 'es2023',
    // Everything is a file of its own: the content security policy allows no inline data but images.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      output: { codeSplitting: { groups: [{ name: chunkOf }], includeDependenciesRecursively: false } },
    },
    // scripts/check-size.mjs reads what belongs to the first load from it.
    manifest: true,
  },
  css: {
    preprocessorOptions: {
      scss: {
        quietDeps: true,
        silenceDeprecations: ['import', 'global-builtin', 'color-functions', 'if-function'],
      },
    },
  },
  server: { proxy: { '/api': { target: server, ws: true } } },
  test: { environment: 'happy-dom', include: ['src/**/*.test.{ts,tsx}'] },
});
