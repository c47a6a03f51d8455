import { X } from 'lucide-react';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { createStore, useStore } from '@/lib/store';
import type { ToneName } from './Tone';

interface Toast {
  id: number;
  tone: ToneName;
  text: ReactNode;
}

const toasts = createStore<Toast[]>([]);
let last = 0;

/** Says something in the corner, for some seconds; what is bad stays until it is closed. */
export function say(text: ReactNode, tone: ToneName = 'good') {
  last += 1;
  const id = last;
  toasts.set((before) => [...before.slice(-4), { id, tone, text }]);
  if (tone !== 'bad') setTimeout(() => drop(id), 8000);
}

function drop(id: number) {
  toasts.set((before) => before.filter((toast) => toast.id !== id));
}

export function Toasts() {
  const { t } = useTranslation();
  const shown = useStore(toasts);
  return (
    <div className="toast-stack" role="status" aria-live="polite">
      {shown.map((toast) => (
        <div key={toast.id} className="toast show d-flex align-items-center gap-2 p-3">
          <span className={`tone tone-${toast.tone}`} aria-hidden="true" />
          <div className="me-auto">{toast.text}</div>
          <button
            type="button"
            className="btn btn-sm btn-link p-0 text-body"
            aria-label={t('close')}
            onClick={() => drop(toast.id)}
          >
            <X size={16} aria-hidden="true" />
          </button>
        </div>
      ))}
    </div>
  );
}
