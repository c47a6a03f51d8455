import { Check, TriangleAlert } from 'lucide-react';
import { sentence } from '@/ui/states';

/** What happened at a contact, in the server's words; the last one may be what went wrong. */
export function Steps({ steps, failed }: { steps: string[]; failed: boolean }) {
  return (
    <ol className="steps">
      {steps.map((step, i) => {
        const wrong = failed && i === steps.length - 1;
        return (
          <li key={i} className={wrong ? 'tone-bad' : 'tone-good'}>
            {wrong ? <TriangleAlert size={16} aria-hidden="true" /> : <Check size={16} aria-hidden="true" />}
            <span>{sentence(step)}</span>
          </li>
        );
      })}
    </ol>
  );
}
