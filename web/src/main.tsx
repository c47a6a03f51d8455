import '@fontsource-variable/inter/index.css';
import './theme/theme.scss';
import { QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { RouterProvider } from 'react-router';
import { queries } from '@/api/query';
import { keepSession } from '@/api/session';
import { startI18n } from '@/lib/i18n';
import { keepTheme } from '@/lib/preferences';
import { Toasts } from '@/ui/toasts';
import { router } from './routes/table';

keepTheme();
keepSession();
await startI18n();

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
