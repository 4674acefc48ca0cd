import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import { useState } from 'react';
import { afterEach, expect, it } from 'vitest';
import { Tabs } from './tabs';

afterEach(cleanup);

function ThreeTabs() {
  const [selected, select] = useState('b');
  return <Tabs label="Letters" tabs={['a', 'b', 'c'].map((id) => ({ id, label: id }))} selected={selected} onSelect={select} panel="panel" />;
}

it('is operated with the keyboard, round and to both ends', () => {
  render(<ThreeTabs />);
  const press = (key: string) => {
    fireEvent.keyDown(screen.getByRole('tablist'), { key });
    const chosen = screen.getByRole('tab', { selected: true });
    expect(document.activeElement).toBe(chosen);
    return chosen.textContent;
  };
  expect(['ArrowRight', 'ArrowRight', 'ArrowLeft', 'Home', 'End'].map(press)).toEqual(['c', 'a', 'c', 'a', 'c']);
});
