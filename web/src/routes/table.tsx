import { lazy, Suspense, type ComponentType } from 'react';
import { createBrowserRouter, type RouteObject } from 'react-router';
import { Crash, Nowhere } from '@/shell/Crash';
import { Gate } from '@/shell/Gate';
import { Loading } from '@/ui/states';
import LoginPage from './session/LoginPage';

/** A page that is loaded when somebody goes there. */
function page(path: string, load: () => Promise<{ default: ComponentType }>): RouteObject {
  const Content = lazy(load);
  // Pages before the sign-in have no frame to wait in.
  return {
    path,
    element: (
      <Suspense fallback={<Loading />}>
        <Content />
      </Suspense>
    ),
    errorElement: <Crash />,
  };
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
