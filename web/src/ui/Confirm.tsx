import { useState, type ReactNode } from 'react';
import Modal from 'react-bootstrap/Modal';
import { useTranslation } from 'react-i18next';
import { Button } from './Button';
import { TextField } from './fields';
import { Refusal } from './states';

/** A question before something that cannot be taken back. `word` must be typed when it is given. */
export function Confirm({
  title,
  children,
  action,
  word,
  danger = true,
  act,
  close,
}: {
  title: string;
  children: ReactNode;
  action: string;
  word?: string;
  danger?: boolean;
  /** What is done; an error it throws is shown, and the dialog stays. */
  act: () => Promise<unknown>;
  close: () => void;
}) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const go = async () => {
    setBusy(true);
    setError(null);
    try {
      await act();
      close();
    } catch (refusal) {
      setError(refusal as Error);
      setBusy(false);
    }
  };
  return (
    <Modal show centered onHide={close} aria-labelledby="confirm-title">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!word || typed === word) void go();
        }}
      >
        <Modal.Header closeButton closeLabel={t('close')}>
          <Modal.Title id="confirm-title" as="h2" className="h2">
            {title}
          </Modal.Title>
        </Modal.Header>
        <Modal.Body>
          {children}
          {word && (
            <TextField
              label={t('typeToConfirm', { word })}
              value={typed}
              onChange={setTyped}
              autoComplete="off"
              className="mt-3 mb-0"
            />
          )}
          {error && (
            <div className="mt-3">
              <Refusal error={error} />
            </div>
          )}
        </Modal.Body>
        <Modal.Footer>
          <Button onClick={close}>{t('cancel')}</Button>
          <Button
            type="submit"
            look={danger ? 'danger' : 'primary'}
            busy={busy}
            refused={word && typed !== word ? t('typeFirst', { word }) : null}
          >
            {action}
          </Button>
        </Modal.Footer>
      </form>
    </Modal>
  );
}
