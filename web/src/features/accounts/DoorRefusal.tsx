import { useTranslation } from 'react-i18next';
import { asProblem } from '@/api/problem';
import { useSecond } from '@/lib/time';
import { Refusal, type Fault } from '@/ui/states';

/** What the page can say better than the server, by the problem's slug: `session.json`, `refused`. */
const OWN_WORDS = new Set([
  'bad-credentials',
  'account-pending',
  'account-suspended',
  'registration-closed',
  'bad-link',
]);

/** How long the server asked to wait, in seconds from now; 0 when it did not, or when that is over. */
export function useWait(error: Fault | null): number {
  const now = useSecond();
  if (!error) return 0;
  const { arrivedAt, retryAfter } = asProblem(error);
  return retryAfter ? Math.max(0, Math.ceil((arrivedAt + retryAfter * 1000 - now) / 1000)) : 0;
}

/** Why somebody was not let in: the wait counts down, and what one can do is said. */
export function DoorRefusal({ error }: { error: Fault | null }) {
  const { t } = useTranslation('session');
  const wait = useWait(error);
  if (!error) return null;
  const { slug, status } = asProblem(error);
  if (status === 429) {
    return (
      <div className="alert alert-warning py-2 mb-3" role="alert">
        {wait > 0 ? t('slowDown') : t('goOn')}
      </div>
    );
  }
  if (!OWN_WORDS.has(slug)) return <Refusal error={error} />;
  return <Refusal error={{ status, requestId: asProblem(error).requestId, message: t(`refused.${slug}`) }} />;
}
