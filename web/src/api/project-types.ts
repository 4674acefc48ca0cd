/** Projects, their keys and who is signed in. Units are those of `types.ts`. */

export interface Currency {
  code: string;
  rate: number;
}

/** Days for classes of spans that are kept for another time than the project's. */
export interface Keep {
  environments: Record<string, number>;
  /** Messages, attributes and lines of logs. */
  texts_days: number | null;
  /** Traces with errors or scores. */
  notable_days: number | null;
}

/** An API token; its secret is shown only when it is made. */
export interface Token {
  id: number;
  name: string;
  /** Null for all projects. */
  project_id: number | null;
  admin: boolean;
  created_at: string;
  expires_at: string | null;
  last_used_at: string | null;
}

/** Somebody who is signed in. */
export interface Session {
  id: number;
  client: string | null;
  created_at: string;
  last_used_at: string;
  expires_at: string;
  /** The one that asks. */
  current: boolean;
}

/** What was deleted before its time. */
export interface Receipt {
  at: string;
  project: number;
  what: 'trace' | 'user' | 'project' | 'budget';
  subject: string | null;
  spans: number;
  errors: number;
  scores: number;
  log_lines: number;
  series: number;
  incidents: number;
  mentions: number;
  until: string | null;
  files: string[];
  still_read: string[];
  unreadable: string[];
  duration_ms: number;
}

export interface Project {
  id: number;
  name: string;
  demo: boolean;
  dsn: string;
  retention_days: number;
  keep: Keep;
  currency: Currency | null;
  prefer_client_cost: boolean;
  estimate_usage: boolean;
  disabled: boolean;
  created_at: string;
  first_span_at: string | null;
}

export type ProjectPatch = Partial<Pick<Project, 'name' | 'retention_days' | 'keep' | 'currency' | 'prefer_client_cost' | 'estimate_usage' | 'disabled'>>;

export interface Key {
  id: number;
  public_key: string;
  name: string;
  disabled: boolean;
  created_at: string;
  last_used_at: string | null;
}

export interface Me {
  version: string;
  public_url: string;
  projects: Project[];
}
