//! Bills compared with observed cost.

use crate::envelopes::call;
use crate::server::Server;

fn today() -> String {
    let days = crate::envelopes::now() as i64 / 86_400;
    // The calls of a test start a few seconds ago, which may be on the previous day.
    let at = jiff::Timestamp::from_second(days * 86_400).unwrap();
    at.to_string()[..10].to_owned()
}

fn import(server: &Server, name: &str, text: &str) -> crate::server::Answer {
    let authorization = format!("Bearer {}", server.token);
    let headers = [("authorization", authorization.as_str()), ("content-type", "text/csv")];
    server.send("POST", &format!("/api/v1/projects/1/bill?name={name}"), &headers, text.as_bytes().to_vec())
}

#[test]
fn bill_is_compared_with_observed_cost() {
    let server = Server::start();
    assert_eq!(server.ask("/bill")["rows"].as_array().unwrap().len(), 0);
    // The call costs 0.00045 dollars.
    assert_eq!(server.envelope(call(0xb1, "q", "a")).status, 200);
    let day = today();
    let table = format!("day,model,amount,note\n{day},gpt-4o-mini-2024-07-18,0.00090,x\n{day},o3,2.5,y\nsoon,o3,1,z\n");
    let answer = import(&server, "bill.csv", &table);
    assert_eq!(answer.status, 201, "{}", answer.text);
    let imported = answer.json();
    assert_eq!((imported["rows"].as_u64(), imported["unread"].as_u64()), (Some(3), Some(1)));
    assert_eq!((&imported["unread_rows"][0]["line"], &imported["unknown_columns"][0]), (&4.into(), &"note".into()));
    assert_eq!(import(&server, "bill.csv", &table).status, 201, "the same once more changes nothing");

    let bill = server.ask("/bill");
    let models = bill["models"].as_array().unwrap();
    let mini = models.iter().find(|row| row["model"] == "gpt-4o-mini").unwrap();
    let near = |value: &serde_json::Value, expected: f64| (value.as_f64().unwrap() - expected).abs() < 1e-12;
    assert!(near(&bill["total"]["billed"], 2.5009) && near(&mini["billed"], 0.0009), "{bill}");
    if mini["calls"] == 1 {
        assert!(near(&mini["observed"], 0.00045) && near(&mini["coverage"], 0.5), "{mini}");
    }
    let causes: Vec<_> =
        bill["causes"].as_array().unwrap().iter().map(|cause| (cause["cause"].as_str().unwrap(), cause["model"].as_str())).collect();
    assert!(causes.contains(&("not_instrumented", Some("o3"))), "{causes:?}");
    assert_eq!(bill["imports"].as_array().unwrap().len(), 2);

    let refused = import(&server, "x", "a,b\n1,2\n");
    assert_eq!((refused.status, refused.json()["error"]["code"].as_str()), (400, Some("bad_bill")));
}

#[test]
fn bill_is_imported_while_the_server_runs() {
    let server = Server::start();
    let file = server.data().join("costs.json");
    let day = crate::envelopes::now() as i64 / 86_400 * 86_400;
    let result = r#"{"amount":{"value":0.06,"currency":"usd"},"line_item":"gpt-4o-2024-08-06, input","project_id":null}"#;
    std::fs::write(
        &file,
        format!(r#"{{"data":[{{"start_time":{day},"results":[{result},{{"amount":{{"value":1,"currency":"eur"}}}}]}}]}}"#),
    )
    .unwrap();
    let (said, error, status) = server.command(&["bill", "import", file.to_str().unwrap()]);
    assert_eq!((status, error.as_str()), (Some(0), ""));
    assert!(said.contains("2 rows, 1 imported") && said.contains("line 2: the currency"), "{said}");
    assert_eq!(server.ask("/bill")["total"]["billed"], 0.06);
    assert_eq!(server.command(&["bill", "import", "--project", "9", file.to_str().unwrap()]).2, Some(1));
    std::fs::write(&file, "nothing").unwrap();
    let (_, error, status) = server.command(&["bill", "import", file.to_str().unwrap()]);
    assert_eq!((status, error.trim().lines().count()), (Some(1), 1), "{error}");
}
