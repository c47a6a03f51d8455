import { useEffect, useId, useRef, useState, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';

interface Option {
  value: string;
  /** What is searched in. */
  text: string;
  show?: ReactNode;
  count?: number;
}

/** The most options that are drawn at once; the search finds the rest. */
const MOST = 100;

/** A button that opens a list of ticks, with a search when the list is long. */
export function PickMany({
  label,
  options,
  picked,
  pick,
}: {
  label: string;
  options: Option[];
  picked: string[];
  pick: (values: string[]) => void;
}) {
  const { t } = useTranslation();
  const id = useId();
  const box = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);
  const [text, setText] = useState('');
  // Ticks follow the hand at once; what they stand for (the address) may take a moment.
  const [ticked, setTicked] = useState(picked);
  const [before, setBefore] = useState(picked);
  if (picked !== before && picked.join('\n') !== before.join('\n')) {
    setBefore(picked);
    setTicked(picked);
  }
  const tick = (values: string[]) => {
    setTicked(values);
    pick(values);
  };
  useEffect(() => {
    if (!open) return;
    const away = (event: Event) => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener('pointerdown', away);
    document.addEventListener('focusin', away);
    return () => {
      document.removeEventListener('pointerdown', away);
      document.removeEventListener('focusin', away);
    };
  }, [open]);
  const wanted = text.trim().toLowerCase();
  const found = options.filter((option) => option.text.toLowerCase().includes(wanted));
  return (
    <div
      ref={box}
      className="pick-many"
      onKeyDown={(event) => {
        if (event.key !== 'Escape' || !open) return;
        setOpen(false);
        box.current?.querySelector('button')?.focus();
      }}
    >
      <button
        type="button"
        className="form-select w-auto d-inline-flex align-items-center gap-2"
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        onClick={() => setOpen(!open)}
      >
        {label}
        {picked.length > 0 && <span className="tag numbers">{picked.length}</span>}
      </button>
      {open && (
        <div id={id} className="pick-many-list" role="group" aria-label={label}>
          {options.length > 12 && (
            <input
              type="search"
              className="form-control form-control-sm mb-2"
              aria-label={t('search')}
              placeholder={t('search')}
              value={text}
              onChange={(event) => setText(event.target.value)}
            />
          )}
          {found.length === 0 && <p className="small text-body-secondary mb-0">{t('none')}</p>}
          {found.slice(0, MOST).map((option) => (
            <label key={option.value} className="pick-many-option">
              <input
                type="checkbox"
                className="form-check-input"
                checked={ticked.includes(option.value)}
                onChange={(event) =>
                  tick(
                    event.target.checked
                      ? [...ticked, option.value]
                      : ticked.filter((value) => value !== option.value),
                  )
                }
              />
              <span className="text-truncate me-auto">{option.show ?? option.text}</span>
              {option.count !== undefined && (
                <span className="numbers small text-body-secondary">{option.count}</span>
              )}
            </label>
          ))}
          {found.length > MOST && (
            <p className="small text-body-secondary mb-0 mt-1">
              {t('andMore', { count: found.length - MOST })}
            </p>
          )}
        </div>
      )}
    </div>
  );
}
