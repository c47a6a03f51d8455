import { useEffect, useId, type ReactNode } from 'react';
import { createStore } from '@/lib/store';

/** What stands before the page's name in the tab, as `5:00 left`; set by whoever counts down. */
export const tabNote = createStore('');

/** A page: its heading, what can be done with it as a whole, and its content. */
export function Page({
  title,
  tab,
  lead,
  actions,
  above,
  children,
}: {
  title: ReactNode;
  /** The tab's title, when `title` is not a plain text. */
  tab?: string;
  lead?: ReactNode;
  actions?: ReactNode;
  above?: ReactNode;
  children: ReactNode;
}) {
  const name = tab ?? (typeof title === 'string' ? title : '');
  useEffect(() => {
    const write = () => {
      document.title = [tabNote.get(), name, 'Berth'].filter(Boolean).join(' · ');
    };
    write();
    return tabNote.watch(write);
  }, [name]);
  return (
    <>
      {above && <div className="mb-2 small">{above}</div>}
      <div className="d-flex flex-wrap gap-3 align-items-start mb-4">
        <div className="me-auto">
          <h1 className="mb-0" tabIndex={-1} id="page-title">
            {title}
          </h1>
          {lead && <p className="text-body-secondary mb-0 mt-1">{lead}</p>}
        </div>
        {actions && <div className="d-flex flex-wrap gap-2">{actions}</div>}
      </div>
      {children}
    </>
  );
}

/** A card with a heading. */
export function Panel({
  title,
  actions,
  flush = false,
  children,
  className = '',
}: {
  title?: ReactNode;
  actions?: ReactNode;
  /** The content touches the card's edges. */
  flush?: boolean;
  children: ReactNode;
  className?: string;
}) {
  const id = useId();
  return (
    <section className={`card ${className}`} aria-labelledby={title ? id : undefined}>
      {(title ?? actions) && (
        <div className="d-flex flex-wrap gap-2 align-items-center px-4 pt-3 pb-2">
          <h2 className="h3 mb-0 me-auto" id={id}>
            {title}
          </h2>
          {actions}
        </div>
      )}
      <div className={flush ? '' : `px-4 pb-4 ${title ? 'pt-1' : 'pt-4'}`}>{children}</div>
    </section>
  );
}
