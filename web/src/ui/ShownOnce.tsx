import { useId, type ReactNode } from 'react';
import Modal from 'react-bootstrap/Modal';
import { useTranslation } from 'react-i18next';
import { Button } from './Button';
import { CodeLine } from './CopyButton';

/** A secret that is shown now and never again. A click beside it does not lose it. */
export function ShownOnce({
  title,
  secret,
  close,
  children,
}: {
  title: string;
  secret: string;
  close: () => void;
  children: ReactNode;
}) {
  const { t } = useTranslation();
  const id = useId();
  return (
    <Modal show centered backdrop="static" onHide={close} aria-labelledby={id}>
      <Modal.Header>
        <Modal.Title id={id} as="h2" className="h2">
          {title}
        </Modal.Title>
      </Modal.Header>
      <Modal.Body>
        {children}
        <CodeLine text={secret} secret />
        <p className="small text-body-secondary mt-2 mb-0">{t('shownOnce')}</p>
      </Modal.Body>
      <Modal.Footer>
        <Button look="primary" onClick={close}>
          {t('done')}
        </Button>
      </Modal.Footer>
    </Modal>
  );
}
