use proptest::prelude::*;

use super::*;

fn field(not: bool, field: &str, test: FieldTest) -> FilterTerm {
    FilterTerm::Field { not, field: field.into(), test }
}

#[test]
fn every_filter_form_is_parsed() {
    let filter = Filter::parse(r#"model:gpt-4o,o3 -user:u_1 cost:>=0.01 tag.plan:* name:"a b" "say hi" 天気"#).unwrap();
    let one = |value: &str| FieldTest::OneOf(vec![value.into()]);
    let expected = [
        field(false, "model", FieldTest::OneOf(vec!["gpt-4o".into(), "o3".into()])),
        field(true, "user", one("u_1")),
        field(false, "cost", FieldTest::Compare(ComparisonOperator::AtLeast, "0.01".into())),
        field(false, "tag.plan", FieldTest::Present),
        field(false, "name", one("a b")),
        FilterTerm::Text { not: false, text: "say hi".into() },
        FilterTerm::Text { not: false, text: "天気".into() },
    ];
    assert_eq!(filter.0, expected);
    assert_eq!(Filter::parse("  "), Ok(Filter::default()));
}

#[test]
fn filter_errors_are_described() {
    let unknown = Filter::parse("modle:x").unwrap_err();
    assert!(unknown.to_string().contains("model provider op kind"), "{unknown}");
    assert_eq!(Filter::parse("model:"), Err(FilterError::NoValue("model".into())));
    assert_eq!(Filter::parse("cost:>"), Err(FilterError::NoValue("cost".into())));
    assert_eq!(Filter::parse("tag.:x"), Err(FilterError::UnknownField { field: "tag.".into(), known: FilterFields::OF_SPANS }));
    assert_eq!(Filter::parse("a \"b"), Err(FilterError::OpenQuote(2)));
}

#[test]
fn alternatives_and_parentheses() {
    let read = |text: &str| Filter::parse(text).map(|filter| filter.to_string());
    for (text, means) in [
        ("a OR b", r#"("a" OR "b")"#),
        ("a b OR c", r#"("a" "b" OR "c")"#),
        ("a (b OR c)", r#""a" ("b" OR "c")"#),
        ("(a b) c AND d", r#""a" "b" "c" "d""#),
        ("-(status:error OR cost:>1)x", r#"-("status":"error" OR "cost":>"1") "x""#),
        ("((a OR b) OR c)", r#"(("a" OR "b") OR "c")"#),
        ("-(a)", r#"-("a")"#),
        ("name:f(x) g(y)", r#""name":"f(x)" "g(y)""#),
        ("(name:f(x) OR z)", r#"("name":"f(x)" OR "z")"#),
        (r#""OR" "(" or"#, r#""OR" "(" "or""#),
    ] {
        assert_eq!(read(text).as_deref(), Ok(means), "{text}");
    }
    for (text, wrong) in [
        ("a OR", FilterError::MissingTerm(4)),
        ("OR a", FilterError::MissingTerm(0)),
        ("a OR OR b", FilterError::MissingTerm(5)),
        ("a AND", FilterError::MissingTerm(5)),
        ("x ()", FilterError::MissingTerm(3)),
        ("a (b OR c", FilterError::OpenParenthesis(2)),
        ("a) b", FilterError::StrayParenthesis(1)),
        ("天気 name:(a OR b)", FilterError::StrayParenthesis(15)),
    ] {
        assert_eq!(Filter::parse(text), Err(wrong), "{text}");
    }
    assert!(Filter::parse("((((((((a))))))))").is_ok());
    assert_eq!(Filter::parse(&"(".repeat(9)), Err(FilterError::TooDeep(8)));
    assert!(FilterError::StrayParenthesis(1).to_string().contains("character 2"), "people count from one");
    // A stored filter keeps its meaning.
    assert_eq!(Filter::parse_stored("a) b").map(|filter| filter.0.len()), Ok(2));
}

#[test]
fn terms_and_values_are_limited() {
    let words = |count: usize| vec!["word"; count].join(" ");
    assert_eq!(Filter::parse(&words(MAX_TERMS)).map(|filter| filter.0.len()), Ok(MAX_TERMS));
    assert_eq!(Filter::parse(&words(MAX_TERMS + 1)), Err(FilterError::TooManyTerms(MAX_TERMS + 1)));
    assert!(Filter::parse(&format!("\"{}\"", words(5000))).is_ok(), "one phrase is one term");
    let values = |count: usize| format!("model:{}", vec!["a"; count].join(","));
    assert!(Filter::parse(&values(MAX_VALUES)).is_ok());
    assert_eq!(Filter::parse(&values(MAX_VALUES + 1)), Err(FilterError::TooManyValues(MAX_VALUES + 1)));
    let two_terms = format!("{} -{}", values(MAX_VALUES / 2), values(MAX_VALUES / 2 + 1));
    assert_eq!(Filter::parse(&two_terms), Err(FilterError::TooManyValues(MAX_VALUES + 1)));
    assert_eq!(Filter::parse_stored(&words(5000)).map(|filter| filter.0.len()), Ok(5000));
}

proptest! {
    #[test]
    fn printed_filter_parses_to_the_same_filter(text in r#"(-?\(?(model|cost|tag\.a)?:?[<>]?=?["a-c, \\*天:-]{0,6} ?\)?( OR | AND )?){0,5}"#) {
        if let Ok(filter) = Filter::parse(&text) {
            prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter));
        }
    }

    #[test]
    fn never_panics(text in ".{0,60}") {
        let _ = Filter::parse(&text);
    }
}
