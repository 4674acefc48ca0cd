//! Score definitions of evaluators, so that the rate of bad scores has a meaning from the first score on.

use hinomi_evaluation::evaluators::{CompiledEvaluator, EvaluationValueType};
use hinomi_model::score::ScoreDataType;
use hinomi_tables::evaluators::EvaluatorDraft;
use hinomi_tables::scores::{ScoreDefinitionDraft, ScoreDirection};

/// Meaning of the numbers of an evaluator, which are from 0 to 1.
struct NumberMeaning {
    evaluator_type: &'static str,
    better: ScoreDirection,
    /// Field of the configuration that states from which value a score is bad.
    bad_from_field: Option<&'static str>,
}

const NUMBERS: [NumberMeaning; 3] = [
    NumberMeaning { evaluator_type: "edit_distance", better: ScoreDirection::Higher, bad_from_field: None },
    NumberMeaning { evaluator_type: "repetition", better: ScoreDirection::Lower, bad_from_field: Some("max_share") },
    NumberMeaning { evaluator_type: "overlap", better: ScoreDirection::Higher, bad_from_field: Some("min_overlap") },
];

/// Returns the definition of the scores of an evaluator. A boolean is bad if it is false.
pub fn score_definition(draft: &EvaluatorDraft, method: &CompiledEvaluator) -> ScoreDefinitionDraft {
    let mut definition = ScoreDefinitionDraft {
        name: draft.name.clone(),
        data_type: ScoreDataType::Boolean,
        min: None,
        max: None,
        categories: Vec::new(),
        better: Some(ScoreDirection::Higher),
        bad_from: Some(0.0),
        bad_labels: Vec::new(),
        description: String::new(),
    };
    match method.value_type() {
        EvaluationValueType::Boolean => {}
        EvaluationValueType::Category => {
            (definition.data_type, definition.better, definition.bad_from) = (ScoreDataType::Categorical, None, None);
        }
        EvaluationValueType::Number => {
            let meaning = NUMBERS.iter().find(|meaning| meaning.evaluator_type == draft.evaluator_type);
            definition.data_type = ScoreDataType::Numeric;
            (definition.min, definition.max) = (Some(0.0), Some(1.0));
            definition.better = meaning.map(|meaning| meaning.better);
            definition.bad_from = meaning.and_then(|meaning| draft.config.get(meaning.bad_from_field?)?.as_f64());
        }
    }
    definition
}
