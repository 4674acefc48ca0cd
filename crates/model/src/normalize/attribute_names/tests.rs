use super::*;

#[test]
fn each_attribute_name_maps_to_one_field() {
    let mut seen = HashMap::new();
    for field in SpanField::ALL {
        for name in field.names() {
            assert_eq!(seen.insert(*name, *field), None, "{name} stands twice");
            assert_eq!(lookup(name).unwrap().0, *field);
        }
        assert!(field.names().len() < 256);
    }
    assert_eq!(lookup("some.other"), None);
}

#[test]
fn newest_attribute_name_wins() {
    assert!(lookup("gen_ai.provider.name").unwrap().1 < lookup("gen_ai.system").unwrap().1);
    assert!(lookup("gen_ai.input.messages").unwrap().1 < lookup("ai.input_messages").unwrap().1);
}
