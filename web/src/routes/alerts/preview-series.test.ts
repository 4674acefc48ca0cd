import { expect, it } from 'vitest';
import type { Tried } from '../../api/types';
import { previewSeriesOf } from './preview-series';

const at = (minute: number) => new Date(Date.UTC(2026, 10, 23, 0, minute)).toISOString();

it('shows alerts that would have fired on the axis, merging adjacent bands', () => {
  const firedInterval = (from: number, to: number | null, severity: 'warning' | 'critical') => ({
    opened_at: at(from),
    resolved_at: to === null ? null : at(to),
    severity,
    peak: 1,
    group: null,
  });
  const tried: Tried = {
    from: at(0),
    to: at(50),
    fired: 3,
    points: [
      [at(0), null],
      [at(10), 1],
      [at(20), 2],
      [at(30), 1],
      [at(40), 3],
    ],
    incidents: [firedInterval(40, null, 'warning'), firedInterval(10, 20, 'warning'), firedInterval(15, 25, 'critical')],
  };
  const course = previewSeriesOf(tried);
  expect([course.stepMs, course.values]).toEqual([600_000, [null, 1, 2, 1, 3]]);
  expect(course.firedIntervals).toEqual([
    { from: 1, to: 2.5, severity: 'critical' },
    { from: 4, to: 5, severity: 'warning' },
  ]);
});
