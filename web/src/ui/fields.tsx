import { useId, type HTMLAttributes, type ReactNode } from 'react';

interface FieldProps {
  label: ReactNode;
  hint?: ReactNode;
  /** What is wrong with the value. */
  fault?: string | null | undefined;
  className?: string;
}

function useField({ hint, fault }: FieldProps) {
  const id = useId();
  const described =
    [hint ? `${id}-hint` : '', fault ? `${id}-fault` : ''].filter(Boolean).join(' ') || undefined;
  return { id, described };
}

function Around({
  id,
  label,
  hint,
  fault,
  className = 'mb-3',
  children,
}: FieldProps & { id: string; children: ReactNode }) {
  return (
    <div className={className}>
      <label htmlFor={id} className="form-label">
        {label}
      </label>
      {children}
      {fault && (
        <div id={`${id}-fault`} className="invalid-feedback d-block">
          {fault}
        </div>
      )}
      {hint && (
        <div id={`${id}-hint`} className="form-text">
          {hint}
        </div>
      )}
    </div>
  );
}

export function TextField(
  props: FieldProps & {
    value: string;
    onChange: (value: string) => void;
    type?: 'text' | 'password' | 'email' | 'number' | 'search' | 'datetime-local';
    autoComplete?: string;
    required?: boolean;
    autoFocus?: boolean;
    placeholder?: string;
    min?: number;
    max?: number;
    rows?: number;
    mono?: boolean;
    inputMode?: HTMLAttributes<HTMLInputElement>['inputMode'];
    list?: string;
    name?: string;
  },
) {
  const {
    value,
    onChange,
    fault,
    mono,
    rows,
    label: _label,
    hint: _hint,
    className: _class,
    ...rest
  } = props;
  const { id, described } = useField(props);
  const shared = {
    id,
    value,
    className: `form-control ${fault ? 'is-invalid' : ''} ${mono ? 'font-monospace' : ''}`,
    'aria-describedby': described,
    'aria-invalid': fault ? true : undefined,
    spellCheck: mono ? false : undefined,
  };
  return (
    <Around {...props} id={id}>
      {rows ? (
        <textarea
          {...shared}
          rows={rows}
          required={rest.required}
          placeholder={rest.placeholder}
          name={rest.name}
          onChange={(event) => onChange(event.target.value)}
        />
      ) : (
        <input {...rest} {...shared} onChange={(event) => onChange(event.target.value)} />
      )}
    </Around>
  );
}

export function SelectField<T extends string>(
  props: FieldProps & {
    value: T;
    onChange: (value: T) => void;
    options: { value: T; label: string; disabled?: boolean }[];
  },
) {
  const { value, onChange, options, fault } = props;
  const { id, described } = useField(props);
  return (
    <Around {...props} id={id}>
      <select
        id={id}
        value={value}
        className={`form-select ${fault ? 'is-invalid' : ''}`}
        aria-describedby={described}
        onChange={(event) => onChange(event.target.value as T)}
      >
        {options.map((option) => (
          <option key={option.value} value={option.value} disabled={option.disabled}>
            {option.label}
          </option>
        ))}
      </select>
    </Around>
  );
}

export function CheckField({
  label,
  hint,
  checked,
  onChange,
  className = 'mb-3',
  disabled,
}: {
  label: ReactNode;
  hint?: ReactNode;
  checked: boolean;
  onChange: (checked: boolean) => void;
  className?: string;
  disabled?: boolean;
}) {
  const id = useId();
  return (
    <div className={`form-check ${className}`}>
      <input
        id={id}
        type="checkbox"
        className="form-check-input"
        checked={checked}
        disabled={disabled}
        onChange={(event) => onChange(event.target.checked)}
        aria-describedby={hint ? `${id}-hint` : undefined}
      />
      <label htmlFor={id} className="form-check-label">
        {label}
      </label>
      {hint && (
        <div id={`${id}-hint`} className="form-text mt-0">
          {hint}
        </div>
      )}
    </div>
  );
}
