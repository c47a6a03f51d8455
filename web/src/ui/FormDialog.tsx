import { useId, type ReactNode } from 'react';
import Modal from 'react-bootstrap/Modal';
import { useTranslation } from 'react-i18next';
import { Button } from './Button';
import { Refusal, sentence } from './states';
import { useSubmit } from './submit';

/** A form in a dialog. It stays while the server says no, with each fault at its field. */
export function FormDialog({
  title,
  action,
  act,
  close,
  children,
  size,
  refused,
}: {
  title: string;
  action: string;
  /** What is done; an error it throws is shown, and the dialog stays. */
  act: () => Promise<unknown>;
  close: () => void;
  /** The fields; `at` gives a field's fault by its JSON pointer. */
  children: (at: (pointer: string) => string | undefined) => ReactNode;
  size?: 'sm' | 'lg';
  refused?: string | null;
}) {
  const { t } = useTranslation();
  const id = useId();
  const { busy, submit, faults } = useSubmit(act);
  const fields = children((pointer) => {
    const fault = faults.at(pointer);
    return fault && sentence(fault);
  });
  return (
    <Modal show centered onHide={close} aria-labelledby={id} {...(size ? { size } : {})}>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (refused) return;
          void submit().then((done) => done && close());
        }}
      >
        <Modal.Header closeButton closeLabel={t('close')}>
          <Modal.Title id={id} as="h2" className="h2">
            {title}
          </Modal.Title>
        </Modal.Header>
        <Modal.Body>
          <Refusal error={faults.rest()} />
          {fields}
        </Modal.Body>
        <Modal.Footer>
          <Button onClick={close}>{t('cancel')}</Button>
          <Button type="submit" look="primary" busy={busy} refused={refused}>
            {action}
          </Button>
        </Modal.Footer>
      </form>
    </Modal>
  );
}
