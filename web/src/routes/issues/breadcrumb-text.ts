import type { Breadcrumb } from '../../api/types';
import { oneLineSummary } from '../../components/text/json';

/** The data of a breadcrumb; null if there is none, or if it is not an object. */
export function breadcrumbData({ data }: Pick<Breadcrumb, 'data'>): Record<string, unknown> | null {
  if (data === null) return null;
  try {
    const value: unknown = JSON.parse(data);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
    return Object.keys(value).length > 0 ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

const textOf = (value: unknown) => (typeof value === 'string' || typeof value === 'number' ? String(value) : '');

/** What a breadcrumb says in one line: its message, otherwise a line made of its data. */
export function breadcrumbText(breadcrumb: Breadcrumb): string {
  if (breadcrumb.message) return breadcrumb.message;
  const data = breadcrumbData(breadcrumb);
  if (!data) return breadcrumb.data ? oneLineSummary(breadcrumb.data, 300) : '';
  const url = textOf(data.url);
  if (url) {
    const status = textOf(data.status_code ?? data['http.response.status_code']);
    const method = textOf(data.method ?? data['http.method'] ?? data['http.request.method']);
    return [method, url, status && `[${status}]`].filter(Boolean).join(' ');
  }
  const [from, to] = [textOf(data.from), textOf(data.to)];
  if (to) return from ? `${from} → ${to}` : `→ ${to}`;
  return oneLineSummary(breadcrumb.data ?? '', 300);
}

/** Whether a breadcrumb reports something that went wrong. */
export const isBad = ({ level }: Pick<Breadcrumb, 'level'>) => level === 'error' || level === 'fatal' || level === 'critical';
