use super::*;

#[test]
fn dimension_indexes_are_correct() {
    let names = [
        (KIND_DIMENSION, "kind"),
        (STATUS_DIMENSION, "status"),
        (PROVIDER_DIMENSION, "provider"),
        (MODEL_DIMENSION, "model"),
        (USAGE_SOURCE_DIMENSION, "usage_source"),
        (REQUEST_MODEL_DIMENSION, "request_model"),
    ];
    assert!(names.iter().all(|(place, name)| DIMENSIONS[*place] == *name));
}
