import { LogOut, Menu, Settings } from 'lucide-react';
import { lazy, Suspense, useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link, NavLink, Outlet, useLocation } from 'react-router';
import { follow } from '@/api/live';
import { queries } from '@/api/query';
import { session, signOut, useMe } from '@/api/session';
import { PasswordNotice } from '@/features/accounts/PasswordNotice';
import { Freshness } from '@/features/notifications/Freshness';
import { NotificationBell } from '@/features/notifications/NotificationBell';
import { Reminders } from '@/features/notifications/Reminders';
import { EndWatch } from '@/features/reservations/EndWatch';
import { paths } from '@/lib/paths';
import { useStore } from '@/lib/store';
import { ButtonLink } from '@/ui/Button';
import { Loading } from '@/ui/states';
import { LineBar } from './LineBar';
import { apiDocs, nav } from './nav';

/** The menu of small screens; its code comes when somebody opens it. */
const SideDrawer = lazy(() => import('./SideDrawer').then((part) => ({ default: part.SideDrawer })));

/** What stands around every page of somebody who is signed in. */
export function Frame() {
  const { t } = useTranslation('shell');
  // Null until somebody wants it.
  const [open, setOpen] = useState<boolean | null>(null);
  const username = useStore(session, (now) => (now.status === 'in' ? now.username : ''));
  useEffect(() => {
    const end = new AbortController();
    void follow(end.signal, () => void queries.invalidateQueries());
    return () => end.abort();
  }, [username]);
  return (
    <div className="frame">
      <a href="#content" className="skip-link btn btn-primary m-2">
        {t('skip')}
      </a>
      <nav className="frame-nav" aria-label={t('navigation')}>
        <Side />
      </nav>
      <header className="frame-bar">
        <button
          type="button"
          className="btn btn-outline-secondary"
          aria-label={t('menu')}
          onClick={() => setOpen(true)}
        >
          <Menu size={18} aria-hidden="true" />
        </button>
        <Brand />
        <span className="ms-auto">
          <NotificationBell />
        </span>
      </header>
      {open !== null && (
        <Suspense>
          <SideDrawer isOpen={open} close={() => setOpen(false)} title={<Brand />}>
            <Side bare />
          </SideDrawer>
        </Suspense>
      )}
      <div className="min-w-0">
        <LineBar />
        <PasswordNotice />
        <main className="frame-main" id="content">
          <Suspense fallback={<Loading />}>
            <Outlet />
          </Suspense>
        </main>
      </div>
      <FocusOnMove />
      <Freshness />
      <Reminders />
      <EndWatch />
    </div>
  );
}

function Brand() {
  return (
    <Link to={paths.home} className="d-flex align-items-center gap-2 text-decoration-none text-body brand">
      <img src="/favicon.svg" width={28} height={28} alt="" />
      Berth
    </Link>
  );
}

function Side({ bare = false }: { bare?: boolean }) {
  const { t } = useTranslation(['shell', 'common']);
  const me = useMe();
  return (
    <>
      {!bare && (
        <div className="d-flex align-items-center px-2 mb-4">
          <Brand />
          <span className="ms-auto">
            <NotificationBell />
          </span>
        </div>
      )}
      <div className="px-1 mb-4 d-grid">
        <ButtonLink to={paths.newReservation} look="primary">
          {t('reserve')}
        </ButtonLink>
      </div>
      {nav
        .filter((entry) => !entry.admin || me.isAdmin)
        .map(({ to, text, icon: Icon }) => (
          <NavLink key={to} to={to} end={to === '/'} className="side-link">
            <Icon size={17} aria-hidden="true" />
            {t(text)}
          </NavLink>
        ))}
      <div className="mt-auto pt-4">
        <a href={apiDocs.to} className="side-link">
          <apiDocs.icon size={17} aria-hidden="true" />
          {t(apiDocs.text)}
        </a>
        <NavLink to={paths.settings} className="side-link">
          <Settings size={17} aria-hidden="true" />
          {t('settings')}
        </NavLink>
        <div className="d-flex align-items-center gap-2 px-3 pt-3 mt-2 border-top">
          <div className="min-w-0 me-auto lh-sm">
            <div className="fw-bold text-truncate">{me.username}</div>
            <div className="small text-body-secondary">{t(`common:role.${me.role}`)}</div>
          </div>
          <button
            type="button"
            className="btn btn-sm btn-outline-secondary"
            title={t('signOut')}
            aria-label={t('signOut')}
            onClick={() => void signOut()}
          >
            <LogOut size={16} aria-hidden="true" />
          </button>
        </div>
      </div>
    </>
  );
}

/** After a move within the page the heading gets the focus, as a page load would. */
function FocusOnMove() {
  const { pathname } = useLocation();
  const first = useRef(true);
  useEffect(() => {
    if (first.current) {
      first.current = false;
      return;
    }
    window.scrollTo(0, 0);
    const timer = setTimeout(() => document.getElementById('page-title')?.focus({ preventScroll: true }), 50);
    return () => clearTimeout(timer);
  }, [pathname]);
  return null;
}
