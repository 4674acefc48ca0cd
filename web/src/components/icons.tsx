import type { SpanKind, Status } from '../api/types';
import { useT } from '../i18n';

/** Our own 16 px strokes: a few hundred bytes each, drawn for the weight of the text beside them. */
const PATHS = {
  overview: 'M2 13.5h12M3.5 11V8M6.5 11V4M9.5 11V6.5M12.5 11V2.5',
  traces: 'M2 3.5h8M4.5 8h8M8 12.5h6',
  issues: 'M8 2 14.5 13.5h-13ZM8 6.5v3M8 11.6v.1',
  logs: 'M1.8 3h12.4v10H1.8ZM4.5 6.2 6.5 8l-2 1.8M8.3 10h3.2',
  bell: 'M3.5 11.5c1-1 1-2 1-4a3.5 3.5 0 0 1 7 0c0 2 0 3 1 4ZM6.8 13.8h2.4M8 2.2V4',
  metrics: 'M2 13.5h12M2.5 10.5 6 7l2.5 2.5 5-6',
  setup: 'M6 2v3.5M10 2v3.5M3.5 5.5h9v2a4.5 4.5 0 0 1-9 0ZM8 12v2.5',
  bill: 'M3.5 1.8h9v12.4l-1.8-1.2-1.5 1.2-1.4-1.2-1.5 1.2-1.4-1.2-1.4 1.2ZM6 5.5h4M6 8.5h4',
  system: 'M1.5 8.5h3l1.5-5 3.5 9 1.5-4h3.5',
  settings: 'M2 4.5h6M12 4.5h2M2 11.5h2M8 11.5h6M10 3v3M6 10v3',
  audit: 'M3 1.8h10v12.4H3ZM5.5 5h5M5.5 8h2.5M8 10.8l1.2 1.2 2-2.3',
  user: 'M8 8a2.6 2.6 0 1 0 0-5.2A2.6 2.6 0 0 0 8 8ZM2.8 13.5c.6-2.4 2.6-3.5 5.2-3.5s4.6 1.1 5.2 3.5',
  chat: 'M2.5 3.5h11v7.5h-6L4.5 13.5V11h-2Z',
  model: 'M8 1.8 13.5 5v6L8 14.2 2.5 11V5ZM2.5 5 8 8.2 13.5 5M8 8.2v6',
  down: 'M4.5 6.5 8 10l3.5-3.5',
  left: 'M9.5 4.5 6 8l3.5 3.5',
  right: 'm6.5 4.5 3.5 3.5-3.5 3.5',
  go: 'M3 8h10M9.5 4.5 13 8l-3.5 3.5',
  search: 'M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9ZM10.4 10.4 14 14',
  theme: 'M8 13.5a5.5 5.5 0 1 0 0-11ZM8 2.5v11a5.5 5.5 0 0 1 0-11Z',
  language: 'M2 4h7M5.5 2.5V4M8 4c-.5 3-2.5 5.5-5.5 7M3.5 6.5c1 2 2.5 3.5 4.5 4.5M8 14l3-7.5L14 14M9 11.5h4',
  help: 'M6 6a2 2 0 1 1 3 1.7c-.7.4-1 .8-1 1.6M8 11.6v.1M8 14.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13Z',
  link: 'M6.3 9.7l3.4-3.4M7.2 4.7l1.3-1.3a2.9 2.9 0 0 1 4.1 4.1l-1.3 1.3M8.8 11.3l-1.3 1.3a2.9 2.9 0 0 1-4.1-4.1l1.3-1.3',
  copy: 'M5.5 5.5h8v8h-8ZM3 10.5h-.5v-8h8V3',
  download: 'M8 2.5V10M4.8 7 8 10.2 11.2 7M3 13.2h10',
  check: 'm3 8.5 3.3 3.3L13 5',
  close: 'm4.5 4.5 7 7M11.5 4.5l-7 7',
  fold: 'm5 6.5 3-3 3 3M5 9.5l3 3 3-3',
  open: 'M6 4H3v9h9v-3M9 3h4v4M13 3 7.5 8.5',
  retry: 'M13 8a5 5 0 1 1-1.5-3.5M13 2v3h-3',
  key: 'M10 9a3.5 3.5 0 1 0-3.3-2.3L2 11.5V14h2.5v-1.5H6V11h1.5l1-2',
  more: 'M3 8h.1M8 8h.1M13 8h.1',
  plus: 'M8 3v10M3 8h10',
  thumbUp: 'M2.5 7.5h2.6v6H2.5ZM5.1 7.5 8 2.2c1.3 0 1.8 1 1.5 2.2L9 6.5h3.6c.9 0 1.4.7 1.2 1.5l-1.1 4.4c-.2.7-.7 1.1-1.4 1.1H5.1',
  thumbDown: 'M2.5 2.5h2.6v6H2.5ZM5.1 8.5 8 13.8c1.3 0 1.8-1 1.5-2.2L9 9.5h3.6c.9 0 1.4-.7 1.2-1.5l-1.1-4.4c-.2-.7-.7-1.1-1.4-1.1H5.1',
  trash: 'M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5l.5 9h6l.5-9',
  // kinds of span, one glyph each
  chain: 'M2.5 8h3M10.5 8h3M5.5 5.5h5v5h-5Z',
  spark: 'M8 2l1.5 4.5L14 8l-4.5 1.5L8 14 6.5 9.5 2 8l4.5-1.5Z',
  lines: 'M3.5 5h9M3.5 8h9M3.5 11h5',
  robot: 'M8 5.5V3M4 5.5h8v7H4ZM6.3 8.5v.6M9.7 8.5v.6M8 2.6v.1M2 8v2M14 8v2',
  wrench: 'M13.5 4.2a3.5 3.5 0 0 1-4.7 4.3L4.3 13a1.6 1.6 0 0 1-2.3-2.3l4.5-4.5a3.5 3.5 0 0 1 4.3-4.7L8.7 3.6l.5 2.2 2.2.5Z',
  globe: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM2 8h12M8 2c4 4 4 8 0 12M8 2C4 6 4 10 8 14',
  drum: 'M13 4c0 1.1-2.2 2-5 2S3 5.1 3 4s2.2-2 5-2 5 .9 5 2ZM3 4v8c0 1.1 2.2 2 5 2s5-.9 5-2V4M3 8c0 1.1 2.2 2 5 2s5-.9 5-2',
  shield: 'M8 1.8 13 3.8v4c0 3-2 5-5 6.4C5 12.8 3 10.8 3 7.8v-4Z',
  rank: 'M2.5 3h4.5v10H2.5ZM9 3h4.5v4H9ZM11 13a2 2 0 1 0 0-4 2 2 0 0 0 0 4ZM12.5 12.5 14 14',
  arrows: 'M2 5h9M8.5 2.5 11 5 8.5 7.5M14 11H5M7.5 8.5 5 11l2.5 2.5',
  dots: 'M3 4.5h.1M6 4.5h7M3 8h.1M6 8h7M3 11.5h.1M6 11.5h7',
} as const;

export type IconName = keyof typeof PATHS;

interface IconProps {
  name: IconName;
  size?: 'small' | 'tiny';
  className?: string;
}

export function Icon({ name, size, className = '' }: IconProps) {
  return (
    <svg className={['icon', size && `icon-${size}`, className].filter(Boolean).join(' ')} viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

const KINDS: Record<SpanKind, { icon: IconName; color: string }> = {
  llm: { icon: 'spark', color: 'var(--op-llm)' },
  embedding: { icon: 'dots', color: 'var(--op-llm)' },
  agent: { icon: 'robot', color: 'var(--op-agent)' },
  tool: { icon: 'wrench', color: 'var(--op-tool)' },
  retriever: { icon: 'search', color: 'var(--op-retriever)' },
  reranker: { icon: 'rank', color: 'var(--op-retriever)' },
  guardrail: { icon: 'shield', color: 'var(--op-other)' },
  evaluator: { icon: 'check', color: 'var(--op-other)' },
  chain: { icon: 'chain', color: 'var(--op-chain)' },
  handoff: { icon: 'arrows', color: 'var(--op-handoff)' },
  prompt: { icon: 'chat', color: 'var(--op-other)' },
  http: { icon: 'globe', color: 'var(--op-http)' },
  db: { icon: 'drum', color: 'var(--op-db)' },
  function: { icon: 'lines', color: 'var(--op-other)' },
  other: { icon: 'lines', color: 'var(--op-other)' },
};

/** The colour that spans of a kind have everywhere. */
export const kindColor = (kind: SpanKind) => (KINDS[kind] ?? KINDS.other).color;

/** The glyph of a kind of span; its name for those who do not see it. */
export function Glyph({ kind }: { kind: SpanKind }) {
  const t = useT();
  const { icon, color } = KINDS[kind] ?? KINDS.other;
  return (
    <svg
      className="icon icon-small kind-icon"
      style={{ '--c': color }}
      viewBox="0 0 16 16"
      role="img"
      aria-label={t(`kind.${kind in KINDS ? kind : 'other'}`)}
    >
      <path d={PATHS[icon]} />
    </svg>
  );
}

/** How it ended: a thin tick recedes, a filled triangle speaks. */
export function StatusGlyph({ status }: { status: Status | 'running' }) {
  const t = useT();
  const label = t(`status.${status}`);
  const shapes = {
    ok: <path d="M3.5 7.5 6 10l4.5-5.5" />,
    error: (
      <>
        <path fill="currentColor" d="M7 1 13 12.5H1Z" />
        <path stroke="var(--surface)" d="M7 5v3.2M7 10.5v.1" />
      </>
    ),
    cancelled: <path d="M3 7h8" />,
    running: <path d="M7 2.5a4.5 4.5 0 1 1-4.5 4.5" />,
  };
  return (
    <svg className={`status-glyph status-glyph-${status}`} viewBox="0 0 14 14" role="img" aria-label={label}>
      {shapes[status]}
    </svg>
  );
}

/** The watch tower and its bell. */
export function Logo() {
  return (
    <svg className="logo-mark" viewBox="0 0 16 16" aria-hidden="true">
      <path d="M1.5 5 8 1.2 14.5 5M4.6 5.4 2.9 14.8M11.4 5.4l1.7 9.4M3.5 11.4h9" />
      <path className="illustration-bell" d="M8 4.4c1.5 0 2.2 1.1 2.2 2.4 0 1 .3 1.5.8 2.1H5c.5-.6.8-1.1.8-2.1 0-1.3.7-2.4 2.2-2.4Z" />
    </svg>
  );
}

export function TowerIllustration() {
  return (
    <svg className="tower-illustration" viewBox="0 0 120 150" aria-hidden="true">
      <circle className="tower-halo" cx="60" cy="50" r="34" />
      <path d="M14 40 60 10l46 30M26 40h68M34 40 20 146M86 40l14 106M31 66h58M27 94h66M23 122h74M31 66l62 28M89 66 27 94M27 94l70 28M93 94l-70 28" />
      <path
        className="illustration-bell"
        d="M60 38c7.5 0 11 5.5 11 12 0 5 1.5 7.5 4 10.5H45c2.5-3 4-5.5 4-10.5 0-6.5 3.5-12 11-12ZM56 62.5h8a4 4 0 0 1-8 0Z"
      />
    </svg>
  );
}
