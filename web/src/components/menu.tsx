import * as Dropdown from '@radix-ui/react-dropdown-menu';
import type { ReactNode } from 'react';
import { Icon } from './icons';

interface MenuProps {
  label: string;
  trigger: ReactNode;
  align?: 'start' | 'end';
  children: ReactNode;
}

export function Menu({ label, trigger, align = 'start', children }: MenuProps) {
  return (
    <Dropdown.Root modal={false}>
      <Dropdown.Trigger asChild>{trigger}</Dropdown.Trigger>
      <Dropdown.Portal>
        <Dropdown.Content className="menu" align={align} sideOffset={4} aria-label={label}>
          {children}
        </Dropdown.Content>
      </Dropdown.Portal>
    </Dropdown.Root>
  );
}

interface MenuChoiceProps {
  value: string;
  options: { value: string; label: string; end?: string }[];
  onChange: (value: string) => void;
}

/** One of a few, the present one ticked. */
export function MenuChoice({ value, options, onChange }: MenuChoiceProps) {
  return (
    <Dropdown.RadioGroup value={value} onValueChange={onChange}>
      {options.map((option) => (
        <Dropdown.RadioItem key={option.value} value={option.value}>
          <span className="menu-check">{option.value === value && <Icon name="check" size="tiny" />}</span>
          <span className="ellipsis">{option.label}</span>
          {option.end && <span className="menu-item-end">{option.end}</span>}
        </Dropdown.RadioItem>
      ))}
    </Dropdown.RadioGroup>
  );
}

/** A link as an entry of a menu. */
export function MenuLink({ href, download, children }: { href: string; download?: boolean; children: ReactNode }) {
  return (
    <Dropdown.Item asChild>
      <a href={href} download={download}>
        {children}
      </a>
    </Dropdown.Item>
  );
}
