import { memo } from 'react';
import { parseAnsi, parseDiff } from '@/lib/ansi';

/** What a machine wrote, as text in its colours and nothing more. */
export const AnsiText = memo(function AnsiText({ text }: { text: string }) {
  return (
    <>
      {parseAnsi(text).map((span, i) =>
        span.look ? (
          <span key={i} className={span.look}>
            {span.text}
          </span>
        ) : (
          span.text
        ),
      )}
    </>
  );
});

/** A whole message: a diff by its lines, anything else in its colours. */
export const Message = memo(function Message({ text }: { text: string }) {
  const diff = parseDiff(text);
  if (!diff) return <AnsiText text={text} />;
  return (
    <>
      {diff.map((line, i) => (
        <span key={i} className={`diff-line diff-${line.mark}`}>
          <AnsiText text={line.text} />
          {'\n'}
        </span>
      ))}
    </>
  );
});
