import { useId, type ReactNode } from 'react';
import { Link } from 'react-router';

interface Looks {
  look?: 'primary' | 'secondary' | 'outline-secondary' | 'outline-danger' | 'danger' | 'link';
  small?: boolean;
  /** Why it cannot be pressed; shown on hover and focus, and read aloud. */
  refused?: string | null | false;
  icon?: ReactNode;
  children: ReactNode;
}

function classes({ look = 'outline-secondary', small }: Looks) {
  return `btn btn-${look} ${small ? 'btn-sm' : ''} d-inline-flex align-items-center justify-content-center gap-2`;
}

/** A button. One that is refused stays reachable by keyboard and says why. */
export function Button(
  props: Looks & {
    onClick?: () => unknown;
    busy?: boolean;
    type?: 'button' | 'submit';
    form?: string;
    className?: string;
    'aria-label'?: string;
  },
) {
  const { refused, busy = false, icon, children, onClick, type = 'button', form } = props;
  const why = useId();
  const off = Boolean(refused) || busy;
  return (
    <>
      <button
        type={type}
        form={form}
        className={`${classes(props)} ${off ? 'disabled' : ''} ${props.className ?? ''}`}
        aria-disabled={off}
        aria-describedby={refused ? why : undefined}
        aria-label={props['aria-label']}
        aria-busy={busy || undefined}
        title={refused || undefined}
        // `disabled` of Bootstrap takes pointer events away, and with them the reason on hover.
        style={refused ? { pointerEvents: 'auto', cursor: 'not-allowed' } : undefined}
        onClick={(event) => {
          if (off) event.preventDefault();
          else onClick?.();
        }}
      >
        {busy ? <span className="spinner-border spinner-border-sm" aria-hidden="true" /> : icon}
        {children}
      </button>
      {refused && (
        <span id={why} className="visually-hidden">
          {refused}
        </span>
      )}
    </>
  );
}

/** A link that looks like a button. */
export function ButtonLink(props: Looks & { to: string }) {
  const { to, icon, children, refused } = props;
  if (refused) return <Button {...props}>{children}</Button>;
  return (
    <Link to={to} className={classes(props)}>
      {icon}
      {children}
    </Link>
  );
}
