use super::*;

#[test]
fn places_are_what_they_say() {
    let names = [
        (KIND, "kind"),
        (STATUS, "status"),
        (PROVIDER, "provider"),
        (MODEL, "model"),
        (USAGE_SOURCE, "usage_source"),
        (REQUEST_MODEL, "request_model"),
    ];
    assert!(names.iter().all(|(place, name)| DIMENSIONS[*place] == *name));
}
