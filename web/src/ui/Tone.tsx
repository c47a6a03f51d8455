import type { ReactNode } from 'react';

export type ToneName = 'good' | 'busy' | 'held' | 'clean' | 'bad' | 'off';

/** A state in its colour, with a dot; the word says it, too. */
export function Tone({
  tone,
  moving = false,
  children,
}: {
  tone: ToneName;
  moving?: boolean;
  children: ReactNode;
}) {
  return <span className={`tone tone-${tone} ${moving ? 'is-moving' : ''}`}>{children}</span>;
}

/** Labels as `key=value` tags; in a row of a table they stay in one line. */
export function Labels({ labels, inLine = false }: { labels: Record<string, string>; inLine?: boolean }) {
  const pairs = Object.entries(labels);
  if (pairs.length === 0) return <span className="text-body-secondary">–</span>;
  return (
    <span className={inLine ? 'labels-line' : 'd-inline-flex flex-wrap gap-1'}>
      {pairs.map(([key, value]) => (
        <span key={key} className="tag" title={`${key}=${value}`}>
          {value ? `${key}=${value}` : key}
        </span>
      ))}
    </span>
  );
}
