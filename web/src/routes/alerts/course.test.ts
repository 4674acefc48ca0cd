import { expect, it } from 'vitest';
import type { Tried } from '../../api/alert-types';
import { courseOf } from './course';

const at = (minute: number) => new Date(Date.UTC(2026, 10, 23, 0, minute)).toISOString();

it('puts what would have rung on the axis, touching bands as one', () => {
  const ring = (from: number, to: number | null, severity: 'warning' | 'critical') => ({
    opened_at: at(from),
    resolved_at: to === null ? null : at(to),
    severity,
    peak: 1,
    group: null,
  });
  const tried: Tried = {
    from: at(0),
    to: at(50),
    rang: 3,
    points: [
      [at(0), null],
      [at(10), 1],
      [at(20), 2],
      [at(30), 1],
      [at(40), 3],
    ],
    incidents: [ring(40, null, 'warning'), ring(10, 20, 'warning'), ring(15, 25, 'critical')],
  };
  const course = courseOf(tried);
  expect([course.stepMs, course.values]).toEqual([600_000, [null, 1, 2, 1, 3]]);
  expect(course.rings).toEqual([
    { from: 1, to: 2.5, severity: 'critical' },
    { from: 4, to: 5, severity: 'warning' },
  ]);
});
