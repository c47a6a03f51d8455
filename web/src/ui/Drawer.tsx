import { useId, type ReactNode } from 'react';
import Offcanvas from 'react-bootstrap/Offcanvas';
import { useTranslation } from 'react-i18next';

/** Details of one row, at the side of the list. */
export function Drawer({
  title,
  close,
  children,
}: {
  title: string;
  close: () => void;
  children: ReactNode;
}) {
  const { t } = useTranslation();
  const id = useId();
  return (
    <Offcanvas show placement="end" onHide={close} aria-labelledby={id} className="drawer">
      <Offcanvas.Header closeButton closeLabel={t('close')}>
        <Offcanvas.Title id={id} as="h2" className="h2 text-truncate">
          {title}
        </Offcanvas.Title>
      </Offcanvas.Header>
      <Offcanvas.Body className="pt-0">{children}</Offcanvas.Body>
    </Offcanvas>
  );
}
