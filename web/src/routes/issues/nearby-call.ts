import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { ApiError } from '../../api/client';
import { spanQuery, traceQuery } from '../../api/queries';
import type { IssueEvent, Message, SpanDetail } from '../../api/types';
import { callsOf, nearestCall, type NearestCall } from './nearest-call';

/** The call near an error, and the calls of the whole trace. */
export interface NearbyCall extends NearestCall {
  /** Messages of the call; undefined while they load. */
  detail: SpanDetail | undefined;
  calls: number;
  /** Cost of the trace in US dollars; null if it is unknown. */
  traceCost: number | null;
}

interface NearbyCallState {
  call: NearbyCall | null;
  pending: boolean;
  error: Error | null;
  retry: () => void;
}

/** The call near an error, from the trace of the error. */
export function useNearbyCall(project: number, event: IssueEvent): NearbyCallState {
  const { trace_id: id, time } = event;
  const trace = useQuery({
    ...traceQuery(project, id ?? '', time),
    enabled: id !== null,
    placeholderData: undefined,
    // A trace may consist of errors alone.
    retry: (count, error) => !isMissing(error) && count < 2,
  });
  const nearest = useMemo(() => (trace.data ? nearestCall(trace.data.spans, event) : null), [trace.data, event]);
  const detail = useQuery({
    ...spanQuery(project, id ?? '', nearest?.span.span_id ?? '', nearest?.span.start_time),
    enabled: nearest !== null,
    placeholderData: undefined,
  });
  const call = useMemo(
    () =>
      nearest && trace.data
        ? { ...nearest, detail: detail.data, calls: callsOf(trace.data.spans).length, traceCost: trace.data.trace.cost }
        : null,
    [nearest, trace.data, detail.data],
  );
  return {
    call,
    pending: id !== null && trace.isPending,
    error: trace.error && !isMissing(trace.error) ? trace.error : null,
    retry: () => void trace.refetch(),
  };
}

const isMissing = (error: unknown) => error instanceof ApiError && error.status === 404;

const plainText = ({ parts }: Message) =>
  parts
    .flatMap((part) => {
      if (part.type === 'text') return [part.text];
      if (part.type === 'tool_call') return [`${part.name}(${part.arguments})`];
      return part.type === 'tool_result' ? [part.result] : [];
    })
    .join('\n\n')
    .trim();

/** The last thing that a user said to the model; null if the call has no such text. */
export function lastQuestion({ span, detail }: NearbyCall): string | null {
  if (!detail) return span.input_preview;
  const asked = detail.input_messages.filter(({ role }) => role === 'user').at(-1) ?? detail.input_messages.at(-1);
  return (asked && plainText(asked)) || span.input_preview;
}

/** What the model answered; null if it did not. */
export function answerOf({ span, detail }: NearbyCall): string | null {
  if (!detail) return span.output_preview;
  return detail.output_messages.map(plainText).filter(Boolean).join('\n\n') || span.output_preview;
}
