import type { Metric, MetricMeasure } from '../../api/types';
import { MINUS, type Format, type Pieces } from '../../format';

/** Milliseconds in each unit of time, by its name in UCUM. */
const TIME_UNITS: Record<string, number> = { ns: 1e-6, us: 1e-3, ms: 1, s: 1000, min: 60_000, h: 3_600_000 };
const BYTE_UNITS: Record<string, number> = { By: 1, KBy: 1e3, MBy: 1e6, GBy: 1e9, KiBy: 1024, MiBy: 1024 ** 2, GiBy: 1024 ** 3 };

/** The unit as a word: `{token}` says what is counted, `1` says nothing. */
export function unitText(unit: string): string {
  const bare = unit.replace(/^\{(.*)\}$/, '$1');
  return bare === '1' ? '' : bare;
}

export type FormatValue = (value: number) => Pieces;

/** How values of a measure are written. A number of values has no unit but itself. */
export function valueFormatter({ unit, kind }: Pick<Metric, 'unit' | 'kind'>, measure: MetricMeasure, format: Format): FormatValue {
  const ofValues = measure === 'count' || (measure === 'rate' && (kind === 'histogram' || kind === 'summary'));
  const plain = (value: number): Pieces => {
    if (value === 0) return [{ n: '0' }];
    if (value < 999.5) return [{ n: Number.isInteger(value) ? format.count(value) : formatSmall(value, format) }];
    return format.tokens(value);
  };
  const word = unitText(unit);
  const own = (): FormatValue => {
    if (ofValues) return plain;
    if (TIME_UNITS[unit]) return (value) => format.duration(value * TIME_UNITS[unit]!);
    if (BYTE_UNITS[unit]) return (value) => format.bytes(value * BYTE_UNITS[unit]!);
    if (word === 'USD') return (value) => [{ n: format.money(value) }];
    return plain;
  };
  const write = own();
  const signed = (value: number): Pieces => {
    const pieces = write(Math.abs(value));
    return value < 0 ? pieces.map((piece, at) => (at === 0 ? { ...piece, n: MINUS + piece.n } : piece)) : pieces;
  };
  if (measure !== 'rate') return signed;
  return (value) => [
    ...(value > 0 && value < 0.0005 && write === plain ? [{ n: `< ${format.fixed(0.001, 3)}` }] : signed(value)),
    { n: '', u: '/s' },
  ];
}

const formatSmall = (value: number, format: Format) => (value < 0.001 ? value.toPrecision(2) : format.threeDigits(value));
