//! Compares agreement and adjusted p-values with the results of other libraries in `statistics_reference.json`, which
//! `scripts/statistics_reference.py` writes.

use std::collections::BTreeMap;

use hinomi_evaluation::statistics::agreement::{ConfusionMatrix, KappaWeights, MeasurementScale, krippendorffs_alpha};
use hinomi_evaluation::statistics::multiple_testing::{benjamini_hochberg, holm};
use serde::Deserialize;

/// Largest difference from a reference.
const TOLERANCE: f64 = 1e-9;

#[derive(Deserialize)]
struct References {
    kappa: Vec<KappaReference>,
    alpha: Vec<AlphaReference>,
    adjusted_p_values: Vec<AdjustmentReference>,
}

#[derive(Deserialize)]
struct KappaReference {
    pairs: Vec<(i32, i32)>,
    labels: Vec<i32>,
    matrix: Vec<Vec<u64>>,
    kappa: BTreeMap<String, Option<f64>>,
}

#[derive(Deserialize)]
struct AlphaReference {
    items: Vec<Vec<Option<f64>>>,
    alpha: BTreeMap<String, Option<f64>>,
}

#[derive(Deserialize)]
struct AdjustmentReference {
    p_values: Vec<f64>,
    holm: Vec<f64>,
    benjamini_hochberg: Vec<f64>,
}

fn references() -> References {
    serde_json::from_str(include_str!("statistics_reference.json")).unwrap()
}

fn assert_same(actual: Option<f64>, expected: Option<f64>, case: &str) {
    let same = match (actual, expected) {
        (Some(actual), Some(expected)) => (actual - expected).abs() <= TOLERANCE,
        (actual, expected) => actual == expected,
    };
    assert!(same, "{case}: {actual:?} is not {expected:?}");
}

#[test]
fn confusion_matrices_and_kappas_are_those_of_scikit_learn() {
    let references = references().kappa;
    assert!(references.len() >= 60);
    for (number, reference) in references.iter().enumerate() {
        let matrix = ConfusionMatrix::from_pairs(&reference.pairs);
        assert_eq!(matrix.labels(), reference.labels);
        assert_eq!(matrix.rows().collect::<Vec<_>>(), reference.matrix);
        for (name, weights) in
            [("unweighted", KappaWeights::Unweighted), ("linear", KappaWeights::Linear), ("quadratic", KappaWeights::Quadratic)]
        {
            assert_same(matrix.cohens_kappa(weights), reference.kappa[name], &format!("case {number}, {name}"));
        }
    }
}

#[test]
fn alphas_are_those_of_the_package_krippendorff() {
    let references = references().alpha;
    assert!(references.len() >= 60);
    for (number, reference) in references.iter().enumerate() {
        for (name, scale) in
            [("nominal", MeasurementScale::Nominal), ("ordinal", MeasurementScale::Ordinal), ("interval", MeasurementScale::Interval)]
        {
            assert_same(krippendorffs_alpha(&reference.items, scale), reference.alpha[name], &format!("case {number}, {name}"));
        }
    }
}

#[test]
fn adjusted_p_values_are_those_of_statsmodels() {
    let references = references().adjusted_p_values;
    assert!(references.len() >= 60);
    for reference in &references {
        for (actual, expected) in
            [(holm(&reference.p_values), &reference.holm), (benjamini_hochberg(&reference.p_values), &reference.benjamini_hochberg)]
        {
            assert_eq!(actual.len(), expected.len());
            actual.iter().zip(expected).for_each(|(actual, expected)| assert_same(Some(*actual), Some(*expected), "p-value"));
        }
    }
}
