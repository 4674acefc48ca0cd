//! Mapping rules that users sent in: reads the span of each file in `fixtures/mappings` with its rules, and compares the result.

use std::fs;
use std::path::Path;

use hinomi_model::mapping::MappingTrialFixture;

#[test]
fn rules_of_every_fixture_give_its_result() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/mappings");
    let mut wrong = Vec::new();
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let fixture: MappingTrialFixture = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        wrong.extend(fixture.differences().into_iter().map(|difference| format!("{}: {difference}", path.display())));
        files += 1;
    }
    assert!(files > 0 && wrong.is_empty(), "{files} files\n{}", wrong.join("\n"));
}
