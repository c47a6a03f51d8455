import type { ReactNode } from 'react';
import Offcanvas from 'react-bootstrap/Offcanvas';
import { useTranslation } from 'react-i18next';

/** The menu on small screens; a way taken closes it. */
export function SideDrawer({
  isOpen,
  close,
  title,
  children,
}: {
  isOpen: boolean;
  close: () => void;
  title: ReactNode;
  children: ReactNode;
}) {
  const { t } = useTranslation('shell');
  return (
    <Offcanvas show={isOpen} onHide={close} aria-label={t('menu')} style={{ width: '17rem' }}>
      <Offcanvas.Header closeButton>{title}</Offcanvas.Header>
      <Offcanvas.Body
        className="d-flex flex-column pt-0"
        onClick={(event) => (event.target as Element).closest('a') && close()}
      >
        {children}
      </Offcanvas.Body>
    </Offcanvas>
  );
}
