import {
  BookOpen,
  CalendarClock,
  LayoutGrid,
  ListChecks,
  Server,
  ShieldCheck,
  Users,
  LayoutDashboard,
} from 'lucide-react';
import { paths } from '@/lib/paths';

/** The main menu; `admin` marks what only admins see. */
export const nav = [
  { to: paths.home, text: 'home', icon: LayoutDashboard, admin: false },
  { to: paths.reservations, text: 'reservations', icon: CalendarClock, admin: false },
  { to: paths.available, text: 'available', icon: LayoutGrid, admin: false },
  { to: paths.machines, text: 'machines', icon: Server, admin: false },
  { to: paths.runs, text: 'runs', icon: ListChecks, admin: false },
  { to: paths.users, text: 'users', icon: Users, admin: true },
  { to: paths.audit, text: 'audit', icon: ShieldCheck, admin: true },
] as const;

export const apiDocs = { to: '/api/docs', text: 'apiDocs', icon: BookOpen };
