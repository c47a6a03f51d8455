import { lazy, Suspense, type ComponentType } from 'react';
import { createBrowserRouter, matchPath, type RouteObject } from 'react-router';
import { Crash, Nowhere } from '@/shell/Crash';
import { Gate } from '@/shell/Gate';
import { Loading } from '@/ui/states';
import LoginPage from './session/LoginPage';

interface Part {
  default: ComponentType;
  /** Asks for what the page shows, before it is drawn. */
  ahead?: () => Promise<void>;
}

interface Page {
  path: string;
  load: () => Promise<Part>;
  /** Once it is loaded. */
  Ready?: ComponentType;
}

const pages: Page[] = [];

/** A page that is loaded when somebody goes there. */
function page(path: string, load: () => Promise<Part>): RouteObject {
  const one: Page = { path, load };
  pages.push(one);
  const Content = lazy(load);
  const Slot = () =>
    one.Ready ? (
      <one.Ready />
    ) : (
      // Pages before the sign-in have no frame to wait in.
      <Suspense fallback={<Loading />}>
        <Content />
      </Suspense>
    );
  return { path, element: <Slot />, errorElement: <Crash /> };
}

/** Loads the page of this address, so that it is drawn with its frame and not after it. */
export async function warm(address: string): Promise<Part | undefined> {
  const one = pages.find(({ path }) => matchPath(path, address));
  const part = await one?.load();
  if (one && part) one.Ready = part.default;
  return part;
}

export const router = createBrowserRouter([
  { path: '/login', element: <LoginPage />, errorElement: <Crash /> },
  page('/register', () => import('./session/RegisterPage')),
  page('/password', () => import('./session/PasswordPage')),
  {
    element: <Gate />,
    errorElement: <Crash />,
    children: [
      page('/', () => import('./home/HomePage')),
      page('/available', () => import('./available/AvailablePage')),
      page('/machines', () => import('./machines/MachinesPage')),
      page('/machines/new', () => import('./machines/NewMachinePage')),
      page('/machines/:name/edit', () => import('./machines/EditMachinePage')),
      page('/machines/import', () => import('./machines/ImportPage')),
      page('/machines/:name', () => import('./machines/MachinePage')),
      page('/users', () => import('./admin/UsersPage')),
      page('/audit', () => import('./admin/AuditPage')),
      page('/notifications', () => import('./notifications/NotificationsPage')),
      page('/settings', () => import('./settings/SettingsPage')),
      page('/reservations', () => import('./reservations/ReservationsPage')),
      page('/reservations/new', () => import('./reservations/NewReservationPage')),
      page('/reservations/:id', () => import('./reservations/ReservationPage')),
      page('/runs', () => import('./runs/RunsPage')),
      page('/runs/:id', () => import('./runs/RunPage')),
      page('/reservations/:id/terminal/:machine', () => import('./reservations/TerminalPage')),
      { path: '*', element: <Nowhere /> },
    ],
  },
]);
