/** A few ready choices; one that is refused says why. */
export function Chips<T extends string>({
  label,
  options,
  value,
  onChoose,
}: {
  label: string;
  options: { value: T; text: string; refused?: string | null | undefined }[];
  value: T | null;
  onChoose: (value: T) => void;
}) {
  return (
    <div role="group" aria-label={label} className="d-flex flex-wrap gap-2">
      {options.map((option) => (
        <button
          key={option.value}
          type="button"
          className="chip"
          aria-pressed={option.value === value}
          aria-disabled={Boolean(option.refused)}
          title={option.refused ?? undefined}
          onClick={() => !option.refused && onChoose(option.value)}
        >
          {option.text}
          {option.refused && <span className="visually-hidden">: {option.refused}</span>}
        </button>
      ))}
    </div>
  );
}
