import { useId, type ReactNode } from 'react';

interface FieldRowProps {
  label: string;
  hint?: ReactNode;
  children: (id: string) => ReactNode;
}

/** A label with its field, and what is to be known of it below. */
export function FieldRow({ label, hint, children }: FieldRowProps) {
  const id = useId();
  return (
    <>
      <label htmlFor={id}>{label}</label>
      <div>
        {children(id)}
        {hint && <p>{hint}</p>}
      </div>
    </>
  );
}

interface TextRowProps {
  label: string;
  hint?: ReactNode;
  value: string;
  onChange: (value: string) => void;
  placeholder?: string;
  required?: boolean;
  short?: boolean;
  type?: 'text' | 'password' | 'url' | 'email';
  numeric?: boolean;
  after?: ReactNode;
}

export function TextRow({ label, hint, value, onChange, placeholder, required, short, type = 'text', numeric, after }: TextRowProps) {
  return (
    <FieldRow label={label} hint={hint}>
      {(id) => (
        <>
          <input
            className={short ? 'field field-short' : 'field field-long'}
            id={id}
            type={type}
            autoComplete={type === 'password' ? 'new-password' : 'off'}
            inputMode={numeric ? 'decimal' : undefined}
            value={value}
            required={required}
            placeholder={placeholder}
            onChange={(event) => onChange(event.target.value)}
          />
          {after && <> {after}</>}
        </>
      )}
    </FieldRow>
  );
}

interface SelectRowProps<Value extends string> {
  label: string;
  hint?: ReactNode;
  value: Value;
  options: { value: Value; label: string }[];
  onChange: (value: Value) => void;
  disabled?: boolean;
}

export function SelectRow<Value extends string>({ label, hint, value, options, onChange, disabled }: SelectRowProps<Value>) {
  return (
    <FieldRow label={label} hint={hint}>
      {(id) => (
        <select className="field" id={id} value={value} disabled={disabled} onChange={(event) => onChange(event.target.value as Value)}>
          {options.map((option) => (
            <option key={option.value} value={option.value}>
              {option.label}
            </option>
          ))}
        </select>
      )}
    </FieldRow>
  );
}
