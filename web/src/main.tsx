import '@fontsource-variable/inter/index.css';
import './theme/theme.scss';
import { QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { RouterProvider } from 'react-router';
import { queries } from '@/api/query';
import { keepSession, renew, session } from '@/api/session';
import { startI18n } from '@/lib/i18n';
import { keepTheme } from '@/lib/preferences';
import { Toasts } from '@/ui/toasts';
import { router, warm } from './routes/table';

keepTheme();
keepSession();

/** Longer than this nobody waits for what could be drawn at once, in milliseconds. */
const PATIENCE = 1500;
/** Answers of a server nearby are there within this time. */
const QUICK = 250;

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** Who is signed in, the page of this address, and what it asks for: all of it is on its way already. */
async function begin() {
  const part = warm(location.pathname);
  if (window.berthAsked) await renew().catch(() => undefined);
  const asked = session.get().status === 'in' ? (await part)?.ahead?.() : undefined;
  // Drawn once with what it shows is sooner there than drawn twice; who is slow to answer is not waited for.
  await Promise.all([part, Promise.race([asked, pause(QUICK)])]);
}

/** Draws the page. No top-level `await`: other parts import this file's chunk and would wait for its end. */
async function draw() {
  // A page that cannot be loaded says so where it would be drawn.
  await Promise.all([startI18n(), Promise.race([begin().catch(() => undefined), pause(PATIENCE)])]);
  const root = document.getElementById('root');
  if (!root) throw new Error('index.html has no #root');
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
        <Toasts />
      </QueryClientProvider>
    </StrictMode>,
  );
}

void draw();
