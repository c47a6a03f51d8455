import { useTranslation } from 'react-i18next';
import type { EventView } from '@/api/schema';
import { withMoments } from '@/lib/time';
import { sentence } from '@/ui/states';
import { newsOf } from './words';

/** A piece of news in a sentence; `full` with the reason that only the server knows. */
export function NewsText({ event, full = false }: { event: EventView; full?: boolean }) {
  const { t, i18n } = useTranslation(['notifications', 'machines']);
  const { key, values, detail } = newsOf(event, i18n.language);
  // A machine's states have their words with the machines.
  const state = t(`machines:states.${values.state}`, { defaultValue: String(values.state) });
  if (!key) return <>{sentence(withMoments(event.message, i18n.language))}</>;
  return (
    <>
      {t(key, { ...values, state })}
      {full && detail && <span className="text-body-secondary"> – {detail}</span>}
    </>
  );
}
