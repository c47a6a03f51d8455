import { useTranslation } from 'react-i18next';
import type { EventView } from '@/api/schema';
import { sentence } from '@/ui/states';
import { newsOf } from './words';

/** A piece of news in a sentence. */
export function NewsText({ event }: { event: EventView }) {
  const { t, i18n } = useTranslation('notifications');
  const { key, values } = newsOf(event, i18n.language);
  return <>{key ? t(key, values) : sentence(event.message)}</>;
}
