//! Turns a request into its frames and rows: drops duplicates, joins partial spans and applies the deduplication rules.

use super::*;

/// Maximum number of traces that wait to be checked because only a span that is not a call reports usage.
const MAX_USAGE_GAPS: usize = 100_000;

impl CommitWorker {
    /// Decides which spans of a request are stored, and adds its frame to the group.
    pub(super) fn append(
        &mut self,
        project: u64,
        received_us: i64,
        mut spans: Vec<Span>,
        mut blob: CompressedSpans,
        staging: &mut CommitBatch,
    ) -> Result<(SpanAppendResult, Option<SpanStoreChange>), StoreError> {
        let moved = self.join_stray_events(project, &mut spans, &staging.group);
        let DuplicateSpanIndices { mut repeated, stored: known } = self.duplicate_indices(project, &spans, &staging.group);
        if !self.full_spans.is_empty() {
            // A span that was deleted and is sent again is another span.
            let is_new = |index: &u32| known.binary_search(index).is_err() && repeated.binary_search(index).is_err();
            (0..).zip(&spans).filter(|(index, _)| is_new(index)).for_each(|(_, span)| _ = self.full_spans.remove(&span_key(project, span)));
        }
        let mut joined = Vec::new();
        let MergedSpans { joined: whole, rejected } = self.join_partial_spans(project, &spans, &known, &staging.group);
        for (index, span) in whole {
            spans[index as usize] = span;
            joined.push(index);
        }
        joined.sort_unstable();
        repeated.extend(known.into_iter().filter(|index| joined.binary_search(index).is_err()));
        repeated.sort_unstable();
        let stored = spans.len() - repeated.len() - joined.len();
        let duplicates = repeated.len() - rejected;
        let mut appended =
            SpanAppendResult { stored, joined: joined.len(), duplicates, too_many_pieces: rejected, ..SpanAppendResult::default() };
        if stored + joined.len() + moved.len() == 0 {
            return Ok((appended, None));
        }
        if !joined.is_empty() || !moved.is_empty() {
            blob = frame::compress_spans(&spans).map_err(|reason| StoreError::TooLargeForWal { reason })?;
        }
        // Only these spans can be reports of another trace's call.
        let may_pair = spans.iter().any(|span| span.is_call() || span.op == SERVER_OP);
        // Their data about the other report may have been overwritten, or there may be new data to record.
        let again: Vec<SpanId> = spans.iter().filter(|span| span.also_reported.is_some()).map(|span| span.span_id).collect();
        let head = WalFramePreamble {
            project,
            received_us,
            raw_len: blob.raw_len,
            dropped: repeated,
            joined,
            moved,
            ..WalFramePreamble::default()
        };
        let FrameDecisionSummary { traces, corrected } = self.stage_frame(head, spans, &blob, staging);
        appended.corrected = corrected;
        if may_pair {
            self.pair_duplicate_calls(project, &traces, &again, staging);
        }
        Ok((appended, Some(SpanStoreChange { project, traces: traces.into(), spans: stored })))
    }

    /// Changes stored spans, and adds a frame with the spans that changed to the group. Returns their number.
    pub(super) fn revise(
        &mut self,
        project: u64,
        spans: Vec<(TraceId, SpanId)>,
        revise: &dyn Fn(&mut Span),
        staging: &mut CommitBatch,
    ) -> Result<(usize, Option<SpanStoreChange>), StoreError> {
        let keys = spans.into_iter().map(|(trace, span)| SpanKey { project, trace, span }).collect();
        let rows = self.rows(keys, &staging.group);
        let (count, traces) = self.revise_rows(project, rows, revise, staging)?;
        Ok((count, (count > 0).then(|| SpanStoreChange { project, traces: traces.into(), spans: 0 })))
    }

    /// Returns the rows of spans that are stored or in the group.
    pub(super) fn rows(&mut self, mut keys: Vec<SpanKey>, group: &CommitGroup) -> Vec<SpanRow> {
        keys.sort_unstable();
        keys.dedup();
        let mut rows = Vec::with_capacity(keys.len());
        let mut elsewhere = Vec::new();
        for key in keys {
            match group.row_of(&key) {
                Some(row) => rows.push(row.clone()),
                None if group.has_removed(&key) => {}
                None => elsewhere.push((key, ())),
            }
        }
        for (_, mut row, ()) in stored_rows(elsewhere, &self.shared, &mut self.readers) {
            group.correct_stored(&mut row);
            rows.push(row);
        }
        rows
    }

    /// Applies `revise` to spans as they were before the deduplication rules, and stages those that changed. Returns their number and their
    /// traces.
    pub(super) fn revise_rows(
        &mut self,
        project: u64,
        rows: Vec<SpanRow>,
        revise: &dyn Fn(&mut Span),
        staging: &mut CommitBatch,
    ) -> Result<(usize, Vec<TraceId>), StoreError> {
        let mut head = WalFramePreamble { project, ..WalFramePreamble::default() };
        let mut spans = Vec::new();
        for mut row in rows {
            let decided = row.local.is_some().then(|| SpanDecision::of(&row.span));
            row.locally().apply(&mut row.span);
            let mut span = row.span.clone();
            // A panic in the caller's function must not end ingestion.
            let revised = catch_unwind(AssertUnwindSafe(|| revise(&mut span))).is_ok();
            (span.trace_id, span.span_id) = (row.span.trace_id, row.span.span_id);
            if !revised || span == row.span {
                continue;
            }
            let index = spans.len() as u32;
            head.joined.push(index);
            head.received.push((index, row.received_us));
            head.decided.extend(decided.map(|decision| (index, decision)));
            spans.push(span);
        }
        if spans.is_empty() {
            return Ok((0, Vec::new()));
        }
        let blob = frame::compress_spans(&spans).map_err(|reason| StoreError::TooLargeForWal { reason })?;
        head.raw_len = blob.raw_len;
        let count = spans.len();
        Ok((count, self.stage_frame(head, spans, &blob, staging).traces))
    }

    /// Applies the deduplication rules, and adds the frame and its rows to the group.
    pub(super) fn stage_frame(
        &mut self,
        mut head: WalFramePreamble,
        spans: Vec<Span>,
        blob: &CompressedSpans,
        staging: &mut CommitBatch,
    ) -> FrameDecisionSummary {
        let traces = self.apply_rules(&spans, &mut head);
        staging.decided_traces.extend(traces.iter().map(|trace| (head.project, *trace)));
        staging.is_partly_staged = true;
        self.log.append_frame(&mut staging.bytes, self.next_sequence, &frame::encode_payload(&head, &blob.compressed));
        self.next_sequence += 1;
        staging.group.add(&head, spans);
        staging.is_partly_staged = false;
        FrameDecisionSummary { traces, corrected: head.corrections.len() }
    }

    /// Finds the spans that are already stored, in the group, or earlier in the same request.
    pub(super) fn duplicate_indices(&mut self, project: u64, spans: &[Span], group: &CommitGroup) -> DuplicateSpanIndices {
        let mut here = HashSet::with_capacity(spans.len());
        let mut repeats = DuplicateSpanIndices::default();
        let mut search = SpanLookup::default();
        {
            let state = lock(&self.shared.state);
            for (index, span) in (0..).zip(spans) {
                let key = span_key(project, span);
                if !here.insert(key) {
                    repeats.repeated.push(index);
                } else if group.row_of(&key).is_some() || state.has_been_buffered(&key) {
                    repeats.stored.push(index);
                } else {
                    for candidate in state.candidate_rows(&key) {
                        match candidate.is_readable {
                            true => search.add_candidate(index as usize, candidate),
                            // Senders cannot damage a file, so the hash may decide here: spans of a damaged segment are not stored again.
                            false => repeats.stored.push(index),
                        }
                    }
                }
            }
        }
        let mut stored = Vec::new();
        let mut unread = Vec::new();
        let found = |index, _, _| stored.push(index as u32);
        search.read_candidates(
            |index| span_key(project, &spans[index]),
            Some(&KEY_COLUMNS),
            &mut self.readers,
            found,
            |index| unread.push(index as u32),
        );
        repeats.stored.extend(stored.into_iter().chain(unread));
        repeats.stored.sort_unstable();
        repeats.stored.dedup();
        repeats
    }

    /// Joins spans with the stored spans of the same IDs, if at least one of the two spans is partial.
    pub(super) fn join_partial_spans(&mut self, project: u64, spans: &[Span], known: &[u32], group: &CommitGroup) -> MergedSpans {
        let mut whole_spans = Vec::new();
        let mut refused = Vec::new();
        let mut elsewhere = Vec::new();
        let known: Vec<(u32, SpanKey)> = known.iter().map(|index| (*index, span_key(project, &spans[*index as usize]))).collect();
        let of_full = known.iter().filter(|(_, key)| self.full_spans.contains(key)).count();
        let prices = self.shared.config.prices.book_of(project);
        let config = &self.shared.config;
        let mut join = |index: u32, mut row: SpanRow| {
            row.locally().apply(&mut row.span);
            let new = &spans[index as usize];
            if !partial_spans::can_be_joined(&row.span, new) {
                refused.push(span_key(project, new));
                return;
            }
            if let Some(mut whole) = (config.join)(&row.span, new, &prices) {
                if let Some(joined) = &mut whole.joined {
                    joined.joins = joined.joins.saturating_add(1);
                }
                whole_spans.push((index, whole));
            }
        };
        for (index, key) in known.into_iter().filter(|(_, key)| !self.full_spans.contains(key)) {
            let span = &spans[index as usize];
            let load = || load_trace(&self.shared, &mut self.readers, project, span.trace_id);
            match group.row_of(&key) {
                Some(row) => join(index, row.clone()),
                None if span.joined.is_some() || self.trace_states.is_joined_from_parts((project, span.trace_id), span.span_id, load) => {
                    elsewhere.push((key, index));
                }
                None => {}
            }
        }
        for (_, row, index) in stored_rows(elsewhere, &self.shared, &mut self.readers) {
            join(index, row);
        }
        let joins = MergedSpans { joined: whole_spans, rejected: of_full + refused.len() };
        if self.full_spans.len() + refused.len() > MAX_FULL_SPANS {
            self.full_spans.clear();
        }
        self.full_spans.extend(refused);
        joins
    }

    /// Applies the deduplication rules to every trace of a request, and records the changes in the preamble. Returns the traces.
    pub(super) fn apply_rules(&mut self, spans: &[Span], head: &mut WalFramePreamble) -> Vec<TraceId> {
        let kept = (0u32..).zip(spans).filter(|(index, _)| head.dropped.binary_search(index).is_err());
        let mut by_trace: Vec<(u32, &Span)> = kept.collect();
        by_trace.sort_by_key(|(index, span)| (span.trace_id, *index));
        let earlier = std::mem::take(&mut head.decided);
        let mut traces = Vec::new();
        for run in by_trace.chunk_by(|a, b| a.1.trace_id == b.1.trace_id) {
            let trace = run[0].1.trace_id;
            let told = |(index, span): &(u32, &Span)| IncomingSpanNode {
                node: rule_node(span),
                is_stored: head.joined.binary_search(index).is_ok(),
            };
            let load = || load_trace(&self.shared, &mut self.readers, head.project, trace);
            traces.push(trace);
            let Some(verdict) = self.trace_states.add_spans((head.project, trace), run.iter().map(told).collect(), load) else {
                // A trace that is too long keeps the decisions that were made while it was shorter.
                head.decided.extend(earlier.iter().filter(|(index, _)| run.iter().any(|(asked, _)| asked == index)).cloned());
                continue;
            };
            if run.iter().any(|(_, span)| usage_completion::may_complete(span)) && self.trace_states.may_lack_usage(&(head.project, trace))
            {
                self.note_usage_gap((head.project, trace));
            }
            head.decided.extend(verdict.decisions.into_iter().map(|(index, decision)| (run[index].0, decision)));
            let corrections = verdict.corrections.into_iter();
            head.corrections.extend(corrections.map(|(span, decision)| DecisionCorrection { trace, span, decision }));
        }
        traces
    }

    /// Remembers a trace in which a span that is not a call has usage that may be counted. Traces beyond the limit are not remembered.
    fn note_usage_gap(&self, trace: TraceKey) {
        let mut gaps = lock(&self.shared.usage_gaps);
        if gaps.len() < MAX_USAGE_GAPS {
            gaps.insert(trace);
        }
    }

    /// Returns whether the active memtable has reached `times` times the size at which it is flushed.
    pub(super) fn is_full(&self, times: usize) -> bool {
        let config = &self.shared.config;
        let state = lock(&self.shared.state);
        state.active.bytes() >= times * config.flush_bytes || state.active.rows() as usize >= times * config.flush_rows
    }
}
