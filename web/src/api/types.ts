/**
 * Aliases for the generated types of the API. `make api-client` generates `schema.d.ts` from the server's OpenAPI document. Times are RFC 3339 UTC, durations milliseconds, money US dollars; null means unknown, never zero.
 */
import type { AnswerOf } from './operation';
import type { components } from './schema';

type Schemas = components['schemas'];

/* Sums. */

export type Summary = Schemas['UsageSummary'];
export type Measure = Schemas['SeriesMeasure'];
export type Bucket = Schemas['BucketInterval'];
export type TimeSeriesGroup = Schemas['TimeSeriesGroup'];
export type OtherGroups = Schemas['OtherTimeSeriesGroups'];
export type SeriesAnswer = Schemas['TimeSeriesResponse'];
export type BreakdownRow = Schemas['BreakdownRow'];
export type Facet = Schemas['FacetValue'];
export type WordSuggestion = Schemas['IdSuggestion'];
export type Outcome = Schemas['Outcome'];
export type OutcomeCategory = Schemas['OutcomeCategory'];
export type Reason = Schemas['OutcomeReason'];
export type ReasonGroup = Schemas['OutcomeReasonGroup'];
export type System = Schemas['SystemStatus'];
export type Change = Schemas['LiveUpdate'];

/* Spans. */

export type SpanKind = Schemas['SpanType'];
export type Status = Schemas['SpanStatus'];
export type Usage = Schemas['CallUsage'];
export type BucketName = Schemas['PriceBucket'];
export type CostBucket = Schemas['CostBucket'];
export type Cost = Schemas['CallCost'];
export type Subtree = Schemas['SubtreeTotals'];
export type Compared = Schemas['DurationComparison'];
export type Part = Schemas['MessagePart'];
export type Message = Schemas['ChatMessage'];
export type Exclusion = Schemas['SpanExclusion'];
export type FieldSource = Schemas['FieldSource'];
export type FieldRead = Schemas['ExplainedField'];
export type Taken = Schemas['TokenCountInterpretation'];
export type CostReading = Schemas['CostExplanation'];
export type Explanation = Schemas['SpanExplanation'];
export type Span = Schemas['Span'];
export type SpanPage = Schemas['SpanPage'];
export type SpanDetail = Schemas['SpanDetail'];

/* Traces. */

export type TraceSummary = Schemas['TraceSummary'];
export type TracePage = Schemas['TracePage'];
export type TraceDetail = Schemas['TraceResponse'];
export type Score = Schemas['Score'];
export type Finding = Schemas['Finding'];
export type FindingKind = Finding['kind'];
export type FindingSeverity = Finding['severity'];
export type FindingReason = Finding['reason'];
export type FindingSummary = AnswerOf<'/api/v1/projects/{project}/findings/summary', 'get'>;
export type FindingKindSummary = FindingSummary['kinds'][number];
export type ListedFinding = AnswerOf<'/api/v1/projects/{project}/findings', 'get'>['findings'][number];
export type ScoreSummary = Schemas['ScoreSummary'];
export type ScoreDefinition = Schemas['ScoreDefinition'];
export type ScoreDefinitionDraft = Schemas['ScoreDefinitionDraft'];
export type Evaluator = Schemas['Evaluator'];
export type EvaluatorDraft = Schemas['EvaluatorDraft'];
export type EvaluatorPreviewResult = Schemas['EvaluatorPreviewResult'];
export type ScoreDataType = Schemas['ScoreDataType'];
export type LogLine = Schemas['LogLine'];
export type ListedLogLine = Schemas['ListedLogLine'];
export type LogLinePage = Schemas['LogList'];
export type Hint = Schemas['Hint'];
export type HintName = Schemas['InstrumentationHint'];

/* Errors. */

export type ErrorEvent = Schemas['ErrorEvent'];
export type Frame = Schemas['StackFrame'];
export type Breadcrumb = Schemas['Breadcrumb'];
export type IssueEvent = Schemas['IssueEvent'];
export type ErrorException = Schemas['Exception'];
export type ExceptionMechanism = Schemas['ExceptionMechanism'];
export type ProgramThread = Schemas['ProgramThread'];
export type Issue = Schemas['Issue'];
export type IssueTag = Schemas['IssueTag'];
export type IssueGroup = Schemas['IssueGroup'];

/* OpenTelemetry metrics. */

export type Metric = Schemas['OtelMetricSummary'];
export type MetricKind = Schemas['MetricKind'];
export type MetricMeasure = Schemas['OtelMetricMeasure'];
export type MetricGroup = Schemas['MetricGroup'];
export type MetricSeries = Schemas['MetricSeries'];

/* Prices and bills. */

export type OwnPrice = Schemas['CustomPriceView'];
export type NewPrice = Schemas['CustomPriceRequest'];
export type Prices = Schemas['ProjectPriceList'];
export type UnpricedModel = Schemas['UnpricedModel'];
export type Repriced = Schemas['RepriceReport'];
export type RepriceJob = Schemas['JobStatus'];
export type BillSum = Schemas['ReconciliationTotals'];
export type BillRow = Schemas['ReconciliationRow'];
export type BillCause = Schemas['GapCause'];
export type Bill = Schemas['BillReconciliationResponse'];
export type Imported = Schemas['BillImportResult'];

/* Projects and credentials. */

export type Currency = Schemas['DisplayCurrency'];
export type Project = Schemas['ProjectView'];
export type MessageHiding = Schemas['MessageHiding'];
export type ProjectPatch = Schemas['ProjectUpdateRequest'];
export type Key = Schemas['IngestKeyView'];
export type KeyPatch = Schemas['IngestKeyUpdateRequest'];
export type Forward = Schemas['ForwardView'];
export type ForwardType = Schemas['ForwardType'];
export type ForwardDraft = Schemas['ForwardDraft'];
export type Mapping = Schemas['MappingView'];
export type MappingPreview = Schemas['MappingPreviewRequest'];
export type MappingTrial = Schemas['MappingTrial'];
export type Token = Schemas['ApiTokenView'];
export type TokenRequest = Schemas['ApiTokenRequest'];
export type Session = Schemas['SessionView'];
export type Role = Schemas['AccountRole'];
export type Account = Schemas['AccountView'];
export type AccountPatch = Schemas['AccountUpdateRequest'];
export type Member = Schemas['MemberView'];
export type ShareLink = Schemas['ShareLinkView'];
export type SharedTrace = Schemas['SharedTrace'];
export type AuditEntry = Schemas['AuditEntryView'];
export type Receipt = Schemas['DeletionReceipt'];
export type Me = Schemas['CallerProfile'];

/* Alerts. */

export type Severity = Schemas['AlertSeverity'];
export type Unit = Schemas['MeasureUnit'];
export type Direction = Schemas['ThresholdDirection'];
export type Language = Schemas['MessageLanguage'];
export type AlertGroup = Schemas['AlertGroup'];
export type AlertMeasure = Schemas['AlertMetric'];
export type Telling = Schemas['NotificationPolicy'];
export type RuleDraft = Schemas['AlertRule'];
export type Rule = Schemas['RuleShown'];
export type BudgetDraft = Schemas['Budget'];
export type Budget = Schemas['BudgetShown'];
export type BudgetState = Schemas['BudgetState'];
export type Forecast = Schemas['BudgetForecast'];
export type IncidentChart = Schemas['IncidentChart'];
export type Culprit = Schemas['AlertContributor'];
export type Incident = Schemas['Incident'];
export type Happened = Schemas['IncidentEventKind'];
export type Entry = Schemas['IncidentEntry'];
export type Incidents = Schemas['Incidents'];
export type Address = Schemas['ChannelConfiguration'];
export type ChannelKind = Schemas['ChannelKind'];
export type ChannelDraft = Schemas['ChannelDraft'];
export type Channel = Schemas['NotificationChannelView'];
export type Delivery = Schemas['NotificationDelivery'];
export type DeliveryState = Schemas['DeliveryState'];
export type NotificationKind = Schemas['AlertNotificationKind'];
export type Attempt = Schemas['DeliveryAttempt'];
export type Tried = Schemas['AlertPreview'];
