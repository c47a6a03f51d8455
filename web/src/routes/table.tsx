import { lazy, type ComponentType } from 'react';
import { createBrowserRouter, type RouteObject } from 'react-router';
import { Crash, Nowhere } from '@/shell/Crash';
import { Gate } from '@/shell/Gate';
import LoginPage from './session/LoginPage';

/** A page that is loaded when somebody goes there. */
function page(path: string, load: () => Promise<{ default: ComponentType }>): RouteObject {
  const Content = lazy(load);
  return { path, element: <Content />, errorElement: <Crash /> };
}

export const router = createBrowserRouter([
  { path: '/login', element: <LoginPage />, errorElement: <Crash /> },
  {
    element: <Gate />,
    errorElement: <Crash />,
    children: [
      page('/', () => import('./home/HomePage')),
      page('/machines', () => import('./machines/MachinesPage')),
      page('/machines/:name', () => import('./machines/MachinePage')),
      page('/users', () => import('./admin/UsersPage')),
      page('/audit', () => import('./admin/AuditPage')),
      page('/settings', () => import('./settings/SettingsPage')),
      page('/reservations', () => import('./reservations/ReservationsPage')),
      page('/reservations/new', () => import('./reservations/NewReservationPage')),
      { path: '*', element: <Nowhere /> },
    ],
  },
]);
