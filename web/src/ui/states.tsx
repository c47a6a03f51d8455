import { CloudOff, Inbox, TriangleAlert } from 'lucide-react';
import type { ReactNode } from 'react';
import { Trans, useTranslation } from 'react-i18next';
import { CopyButton } from './CopyButton';

/** Grey lines where something will be. */
export function Loading({ lines = 4, label }: { lines?: number; label?: string }) {
  const { t } = useTranslation();
  return (
    <div role="status" className="p-4">
      <span className="visually-hidden">{label ?? t('loading')}</span>
      {Array.from({ length: lines }, (_, i) => (
        <p key={i} className="placeholder-glow mb-2" aria-hidden="true">
          <span className={`placeholder rounded col-${[9, 7, 10, 6][i % 4] ?? 8}`} />
        </p>
      ))}
    </div>
  );
}

/** Nothing is there, and that is no fault: what it would be, and how to get it. */
export function Empty({
  title,
  children,
  action,
  icon,
}: {
  title: string;
  children?: ReactNode;
  action?: ReactNode;
  icon?: ReactNode;
}) {
  return (
    <div className="quiet-state">
      {icon ?? <Inbox size={32} aria-hidden="true" />}
      <h2>{title}</h2>
      {children && <p className="mb-3">{children}</p>}
      {action}
    </div>
  );
}

/** What a failure must have to be shown: `api/problem.ts` makes them. */
export interface Fault {
  status?: number;
  /** The problem's stable word: `not-found`. */
  slug?: string;
  message: string;
  requestId?: string | null;
  errors?: { detail: string; pointer?: string | null; line?: number | null; column?: number | null }[];
}

/** Something went wrong instead of the content: what happened, what to do, and what to quote. */
export function Failure({ error, retry }: { error: Fault; retry?: () => void }) {
  const { t } = useTranslation();
  const said = useSaid(error);
  const Icon = error.status === 0 ? CloudOff : TriangleAlert;
  return (
    <div className="quiet-state" role="alert">
      <Icon size={32} aria-hidden="true" />
      <h2>{t(titleOf(error.status))}</h2>
      <p className="mb-2">{said.text}</p>
      {said.original && (
        <p className="small mb-2" lang="en">
          {said.original}
        </p>
      )}
      <p className="small">{t(adviceOf(error.status))}</p>
      <RequestId id={error.requestId} />
      {retry && (
        <button type="button" className="btn btn-outline-secondary mt-2" onClick={retry}>
          {t('tryAgain')}
        </button>
      )}
    </div>
  );
}

/** A refusal inside a form or beside a button. */
export function Refusal({ error, children }: { error: Fault | null | undefined; children?: ReactNode }) {
  const said = useSaid(error);
  if (!error) return null;
  const named = error.errors?.filter((fault) => fault.detail !== error.message) ?? [];
  return (
    <div className="alert alert-danger py-2 mb-3" role="alert">
      <p className="mb-0">{said.text}</p>
      {said.original && (
        <p className="mb-0 small" lang="en">
          {said.original}
        </p>
      )}
      {named.length > 0 && (
        <ul className="mb-0 ps-4 small">
          {named.map((fault, i) => (
            <li key={i}>
              {fault.line ? `${fault.line}:${fault.column ?? 1} ` : fault.pointer ? `${fault.pointer}: ` : ''}
              {fault.detail}
            </li>
          ))}
        </ul>
      )}
      {children}
      <RequestId id={error.requestId} />
    </div>
  );
}

/**
 * A refusal in the person's language, where it is a known one; the server's own sentence stands below it, since only
 * that has the names and numbers. The server speaks English, so English pages have no texts of their own for it.
 */
function useSaid(error: Fault | null | undefined): { text: string; original: string | null } {
  const { i18n } = useTranslation();
  return said(error, (slug) => (i18n.exists(`problems:${slug}`) ? i18n.t(`problems:${slug}`) : null));
}

export function said(
  error: Fault | null | undefined,
  wordsOf: (slug: string) => string | null,
): { text: string; original: string | null } {
  const words = error?.slug ? wordsOf(error.slug) : null;
  const original = sentence(error?.message ?? '');
  return words
    ? { text: words, original: original && original !== words ? original : null }
    : { text: original, original: null };
}

function RequestId({ id }: { id: string | null | undefined }) {
  if (!id) return null;
  return (
    <p className="small mb-0 mt-1">
      <Trans
        i18nKey="requestId"
        components={{ code: <code className="user-select-all" /> }}
        values={{ id }}
      />{' '}
      <CopyButton text={id} />
    </p>
  );
}

function titleOf(status: number | undefined): string {
  if (status === 0) return 'failure.unreachable';
  if (status === 403) return 'failure.forbidden';
  if (status === 404) return 'failure.missing';
  if (status === 429) return 'failure.tooMany';
  return 'failure.other';
}

function adviceOf(status: number | undefined): string {
  return titleOf(status).replace('failure.', 'advice.');
}

/** The API speaks without a capital and a full stop; a page does not. */
export function sentence(text: string): string {
  const trimmed = text.trim();
  if (!trimmed) return '';
  const first = trimmed.startsWith('`') ? trimmed : trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?…]$/.test(first) ? first : `${first}.`;
}
