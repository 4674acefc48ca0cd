//! Takes media out of the messages of a request.

use hinomi_model::media::ExtractedMedia;
use hinomi_model::outcome::{Outcome, OutcomeCategory};
use hinomi_model::outcome_reason::OutcomeReason;
use hinomi_model::span::Span;

use super::IngestState;
use super::rejection::IngestRejection;

impl IngestState {
    /// Takes base64 out of the spans of a project. What does not fit into the project is dropped, and counted. Takes processor time.
    pub(super) fn take_media(
        &self,
        project: u64,
        spans: &mut [Span],
        outcomes: &mut Vec<Outcome>,
    ) -> Result<ExtractedMedia, IngestRejection> {
        let mut media = ExtractedMedia::default();
        spans.iter_mut().for_each(|span| media.take_from(span));
        let sizes: Vec<(&str, u64)> = media.objects.iter().map(|object| (object.id.as_str(), object.bytes.len() as u64)).collect();
        let refused = self.media.objects_beyond_quota(project, &sizes)?;
        if !refused.is_empty() {
            media.discard(&refused, spans);
        }
        let dropped = [(OutcomeReason::MediaQuota, refused.len()), (OutcomeReason::MediaTooLarge, media.too_large)];
        let dropped = dropped.into_iter().filter(|(_, quantity)| *quantity > 0);
        outcomes.extend(
            dropped
                .map(|(reason, quantity)| Outcome { quantity: quantity as u64, ..Outcome::dropped(OutcomeCategory::Media, reason, None) }),
        );
        Ok(media)
    }
}
