import { Check, Copy } from 'lucide-react';
import { useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { copyText } from '@/lib/clipboard';

/** Copies a text, and says so. */
export function CopyButton({ text, label }: { text: string; label?: string }) {
  const { t } = useTranslation();
  const [done, setDone] = useState<boolean | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const copy = async () => {
    setDone(await copyText(text));
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setDone(null), 2000);
  };
  const says = done === null ? (label ?? t('copy')) : t(done ? 'copied' : 'copyRefused');
  return (
    <button
      type="button"
      className="btn btn-sm btn-outline-secondary d-inline-flex align-items-center gap-1 flex-shrink-0"
      onClick={copy}
      title={says}
    >
      {done ? <Check size={14} aria-hidden="true" /> : <Copy size={14} aria-hidden="true" />}
      <span className={label ? '' : 'visually-hidden'} aria-live="polite">
        {says}
      </span>
    </button>
  );
}

/** A command line to copy. */
export function CodeLine({ text, secret = false }: { text: string; secret?: boolean }) {
  return (
    <div className="code-line">
      <code tabIndex={0} className={secret ? 'user-select-all' : undefined}>
        {text}
      </code>
      <CopyButton text={text} />
    </div>
  );
}
