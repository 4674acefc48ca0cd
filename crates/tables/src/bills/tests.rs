use hinomi_model::bill;
use jiff::civil::date;

use super::*;

fn all(bills: &BillStore, project: u64) -> Vec<(String, String, Option<f64>, Option<u64>)> {
    let lines = bills.lines(project, date(2026, 1, 1), date(2026, 12, 31)).unwrap();
    lines.into_iter().map(|line| (line.day.to_string(), line.model, line.amount.map(Usd::dollars), line.input_tokens)).collect()
}

fn import(bills: &BillStore, project: u64, text: &str) {
    bills.import(project, "a.csv", &bill::read(text.as_bytes()).unwrap()).unwrap();
}

#[test]
fn latest_export_replaces_a_day() {
    let dir = tempfile::tempdir().unwrap();
    let bills = BillStore::open(dir.path()).unwrap();
    let first = "day,model,amount\n2026-11-23,gpt-4o,1\n2026-11-23,o3,2\n2026-11-24,gpt-4o,3\n";
    import(&bills, 1, first);
    import(&bills, 1, first);
    assert_eq!(all(&bills, 1).len(), 3, "the same file again changes nothing");
    import(&bills, 1, "day,model,amount\n2026-11-24,gpt-4o,4\n2026-11-25,gpt-4o,5\n");
    let amounts: Vec<_> = all(&bills, 1).into_iter().map(|(day, model, amount, _)| (day, model, amount.unwrap())).collect();
    let line = |day: &str, model: &str, amount| (day.to_owned(), model.to_owned(), amount);
    let expected = [
        line("2026-11-23", "gpt-4o", 1.0),
        line("2026-11-23", "o3", 2.0),
        line("2026-11-24", "gpt-4o", 4.0),
        line("2026-11-25", "gpt-4o", 5.0),
    ];
    assert_eq!(amounts, expected);
    import(&bills, 1, "day,model,input_tokens\n2026-11-24,gpt-4o,1000\n");
    assert_eq!(all(&bills, 1).len(), 5, "usage stands beside cost");
    assert!(all(&bills, 2).is_empty());
    drop(bills);
    let bills = BillStore::open(dir.path()).unwrap();
    assert_eq!((all(&bills, 1).len(), bills.imports(1).unwrap().len()), (5, 4));
    assert_eq!(bills.imports(1).unwrap()[0].format, "plain table");
}
