import {
  useImperativeHandle,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
  type CSSProperties,
  type Ref,
} from 'react';
import { masked, offsetOf, secretSpans, unitsOf } from './secrets';

/** Heights in pixels; the styles say the same. */
const LINE = 20;
const PAD = 8;

export interface Mark {
  line: number;
  column: number;
  text: string;
}

export interface EditorHandle {
  /** Goes to a place of the text and puts the cursor there. */
  goTo: (line: number, column: number) => void;
}

/**
 * A text area with line numbers and marks. What is seen is drawn behind it, line by line as they come into sight, so
 * that secrets can be covered sign for sign while the text itself stays an ordinary text area's.
 */
export function YamlEditor({
  label,
  text,
  change,
  marks,
  showSecrets,
  readOnly = false,
  describedBy,
  ref,
}: {
  label: string;
  text: string;
  change: (text: string) => void;
  marks: Mark[];
  showSecrets: boolean;
  readOnly?: boolean;
  describedBy?: string;
  ref?: Ref<EditorHandle>;
}) {
  const area = useRef<HTMLTextAreaElement>(null);
  const [view, setView] = useState({ top: 0, left: 0, height: 0 });
  const lines = useMemo(() => text.split('\n'), [text]);
  const spans = useMemo(() => secretSpans(lines), [lines]);
  const byLine = useMemo(() => {
    const map = new Map<number, Mark[]>();
    for (const mark of marks) map.set(mark.line, [...(map.get(mark.line) ?? []), mark]);
    return map;
  }, [marks]);
  const look = () => {
    const { current } = area;
    if (!current) return;
    setView({ top: current.scrollTop, left: current.scrollLeft, height: current.clientHeight });
  };
  useLayoutEffect(() => {
    const { current } = area;
    if (!current) return;
    const observer = new ResizeObserver(() => look());
    observer.observe(current);
    look();
    return () => observer.disconnect();
  }, []);
  useImperativeHandle(
    ref,
    () => ({
      goTo: (line, column) => {
        const { current } = area;
        if (!current) return;
        const start = offsetOf(lines, line, column);
        const rest = /^[^\s,}\]]*/.exec(text.slice(start))?.[0].length ?? 0;
        current.focus();
        current.setSelectionRange(start, start + rest);
        current.scrollTop = Math.max(0, (line - 1) * LINE - current.clientHeight / 2);
        current.scrollLeft = 0;
        look();
      },
    }),
    [lines, text],
  );
  const first = Math.max(0, Math.floor((view.top - PAD) / LINE) - 4);
  const last = Math.min(lines.length, Math.ceil((view.top + view.height) / LINE) + 4);
  const gutter = `calc(${Math.max(3, String(lines.length).length)}ch + 1.75rem)`;
  const sight = Array.from({ length: Math.max(0, last - first) }, (_, i) => first + i);
  return (
    <div className="yaml-editor" style={{ '--gutter': gutter } as CSSProperties}>
      <div className="yaml-gutter" aria-hidden="true">
        <div style={{ transform: `translateY(${PAD + first * LINE - view.top}px)` }}>
          {sight.map((i) => (
            <div
              key={i}
              className={byLine.has(i + 1) ? 'is-marked' : undefined}
              title={byLine
                .get(i + 1)
                ?.map((mark) => mark.text)
                .join('\n')}
            >
              {i + 1}
            </div>
          ))}
        </div>
      </div>
      <div className="yaml-sight" aria-hidden="true">
        <div style={{ transform: `translate(${-view.left}px, ${PAD + first * LINE - view.top}px)` }}>
          {sight.map((i) => {
            const line = lines[i] ?? '';
            const shown = showSecrets ? line : masked(line, spans.get(i));
            return <Line key={i} text={shown} marks={byLine.get(i + 1)} />;
          })}
        </div>
      </div>
      <textarea
        ref={area}
        aria-label={label}
        aria-describedby={describedBy}
        aria-invalid={marks.length > 0 || undefined}
        className="yaml-area"
        value={text}
        readOnly={readOnly}
        spellCheck={false}
        autoCapitalize="off"
        autoComplete="off"
        autoCorrect="off"
        wrap="off"
        onChange={(event) => {
          change(event.target.value);
          look();
        }}
        onScroll={look}
      />
    </div>
  );
}

/** A line with its comment dimmed, its key set off, and the place of a fault underlined. */
function Line({ text, marks }: { text: string; marks: Mark[] | undefined }) {
  const mark = marks?.[0];
  if (mark) {
    const from = unitsOf(text, mark.column);
    const length = Math.max(1, /^[^\s,}\]]*/.exec(text.slice(from))?.[0].length ?? 1);
    return (
      <div className="is-marked">
        {text.slice(0, from)}
        <span className="yaml-fault">{text.slice(from, from + length) || ' '}</span>
        {text.slice(from + length)}
      </div>
    );
  }
  if (/^\s*#/.test(text)) {
    return (
      <div>
        <span className="yaml-comment">{text}</span>
      </div>
    );
  }
  const key = /^(\s*(?:-\s+)*)([\w./-]+)(?=:(?:\s|$))/.exec(text);
  return (
    <div>
      {key ? (
        <>
          {key[1]}
          <span className="yaml-key">{key[2]}</span>
          {text.slice(key[0].length)}
        </>
      ) : (
        text || ' '
      )}
    </div>
  );
}
