//! Merging and splitting issues, and the groups and tags of an issue.

use super::*;

/// Returns numbers of issues with the numbers of their events, by number.
async fn counts(errors: &ErrorStore) -> Vec<(i64, u64)> {
    let mut counts: Vec<_> =
        listed(errors, "-count", ErrorEventFilter::all_events()).await.iter().map(|issue| (issue.issue_id, issue.count)).collect();
    counts.sort_unstable();
    counts
}

fn hex_group(group: u8) -> String {
    format!("{group:02x}").repeat(32)
}

/// Returns the groups of an issue: ID, number of events, and number of the merged issue.
async fn groups(errors: &ErrorStore, issue: i64) -> Vec<(String, u64, Option<i64>)> {
    let found = errors.issue_groups(1, issue).await.unwrap().groups;
    let mut groups: Vec<_> = found.into_iter().map(|group| (group.group_id, group.count, group.issue_id)).collect();
    groups.sort();
    groups
}

#[tokio::test]
async fn merged_issues_are_one_until_they_are_split_again() {
    let (dir, errors) = store();
    let of_groups = |from: u32| (0..9).map(|n| event(from + n, (n % 3) as u8 + 1, i64::from(from + n))).collect::<Vec<_>>();
    assert_eq!(stored(&errors, 1, of_groups(0)).await, (9, 0));
    assert_eq!(counts(&errors).await, [(1, 3), (2, 3), (3, 3)]);

    errors.merge_issues(1, 1, vec![2, 1]).await.unwrap();
    errors.merge_issues(1, 3, vec![1]).await.unwrap();
    assert_eq!(counts(&errors).await, [(3, 9)]);
    assert_eq!(stored(&errors, 1, of_groups(100)).await, (9, 0));
    assert_eq!(counts(&errors).await, [(3, 18)], "later events belong to it as well");
    let of_merged = [(hex_group(1), 6, Some(1)), (hex_group(2), 6, Some(2)), (hex_group(3), 6, None)];
    assert_eq!(groups(&errors, 3).await, of_merged);
    assert_eq!((errors.merged_issue(1, 2).await.unwrap(), errors.merged_issue(1, 9).await.unwrap()), (Some(3), None));
    assert_eq!(errors.merged_issue(2, 1).await.unwrap(), None, "of another project");

    drop(errors);
    let errors = ErrorStore::open(dir.path()).unwrap();
    assert_eq!(errors.split_issue(1, 3, vec![hex_group(2)]).await.unwrap(), [2]);
    assert_eq!(counts(&errors).await, [(2, 6), (3, 12)]);
    assert_eq!(errors.split_issue(1, 3, vec![hex_group(1)]).await.unwrap(), [1]);
    assert_eq!(stored(&errors, 1, of_groups(200)).await, (9, 0));
    assert_eq!(counts(&errors).await, [(1, 9), (2, 9), (3, 9)]);
    assert_eq!(groups(&errors, 1).await, [(hex_group(1), 9, None)]);
}

#[tokio::test]
async fn changes_that_are_not_possible_change_nothing() {
    let (_dir, errors) = store();
    assert_eq!(stored(&errors, 1, vec![event(1, 1, 1), event(2, 2, 2)]).await, (2, 0));
    assert_eq!(stored(&errors, 2, vec![event(3, 3, 3)]).await, (1, 0));
    assert!(matches!(errors.merge_issues(1, 1, vec![2, 3]).await, Err(ErrorStoreError::UnknownIssue(3))), "of another project");
    assert!(matches!(errors.merge_issues(1, 9, vec![2]).await, Err(ErrorStoreError::UnknownIssue(9))));
    for group in [hex_group(1), hex_group(2), "x".to_owned(), String::new()] {
        let refused = errors.split_issue(1, 1, vec![group.clone()]).await;
        assert!(matches!(refused, Err(ErrorStoreError::UnknownGroup { issue: 1, .. })), "{group}");
    }
    errors.merge_issues(1, 1, vec![2]).await.unwrap();
    assert!(matches!(errors.merge_issues(1, 1, vec![2]).await, Err(ErrorStoreError::UnknownIssue(2))), "it is already a part");
    assert!(matches!(errors.split_issue(1, 1, vec![hex_group(2), hex_group(3)]).await, Err(ErrorStoreError::UnknownGroup { .. })));
    assert_eq!(counts(&errors).await, [(1, 2)]);
}

#[tokio::test]
async fn groups_of_a_later_grouping_algorithm_become_issues() {
    let (_dir, errors) = store();
    assert_eq!(stored(&errors, 1, vec![event(1, 1, 1)]).await, (1, 0));
    let regrouped = |id: u32, group: u8| ErrorEvent { earlier_group: Some([1; 32]), ..event(id, group, i64::from(id)) };
    assert_eq!(stored(&errors, 1, vec![regrouped(2, 7), regrouped(3, 8), regrouped(4, 8)]).await, (3, 0));
    assert_eq!(groups(&errors, 1).await, [(hex_group(1), 1, None), (hex_group(7), 1, None), (hex_group(8), 2, None)]);
    assert_eq!(errors.split_issue(1, 1, vec![hex_group(8)]).await.unwrap(), [2]);
    assert_eq!(counts(&errors).await, [(1, 2), (2, 2)]);
    assert_eq!(stored(&errors, 1, vec![regrouped(5, 8)]).await, (1, 0));
    errors.merge_issues(1, 2, vec![1]).await.unwrap();
    assert_eq!(groups(&errors, 2).await, [(hex_group(1), 1, Some(1)), (hex_group(7), 1, Some(1)), (hex_group(8), 3, None)]);
    assert_eq!(errors.split_issue(1, 2, vec![hex_group(7), hex_group(1)]).await.unwrap(), [1], "an issue returns whole");
    assert_eq!(counts(&errors).await, [(1, 2), (2, 3)]);
}

#[tokio::test]
async fn events_of_an_interrupted_change_are_moved_at_the_next_start() {
    let (dir, errors) = store();
    // More events than one step moves, many of them in one microsecond.
    let events = (0..5_000).map(|n| event(n, (n % 2) as u8 + 1, i64::from(n / 100))).collect();
    assert_eq!(stored(&errors, 1, events).await, (5_000, 0));
    drop(errors);
    let mut connection = schema::open(&dir.path().join(DATABASE)).unwrap();
    let transaction = connection.transaction().unwrap();
    let change = IssueChange::Merge { into: 1, issues: vec![2] };
    super::super::issue_changes::apply(&transaction, 1, &change).unwrap().unwrap();
    super::super::issue_changes::move_events(&transaction).unwrap();
    transaction.commit().unwrap();
    drop(connection);
    let errors = ErrorStore::open(dir.path()).unwrap();
    assert_eq!(counts(&errors).await, [(1, 5_000)]);
    assert_eq!(groups(&errors, 1).await, [(hex_group(1), 2_500, None), (hex_group(2), 2_500, Some(2))]);
}

#[tokio::test]
async fn merged_issues_are_deleted_with_the_issue_that_they_are_part_of() {
    let (_dir, errors) = store();
    assert_eq!(stored(&errors, 1, vec![event(1, 1, 10), event(2, 2, 20)]).await, (2, 0));
    errors.merge_issues(1, 1, vec![2]).await.unwrap();
    assert_eq!(errors.delete_before(1, 20).await.unwrap(), 1);
    assert_eq!((counts(&errors).await, errors.merged_issue(1, 2).await.unwrap()), (vec![(1, 1)], Some(1)));
    assert_eq!(errors.delete_before(1, 21).await.unwrap(), 1);
    assert_eq!((counts(&errors).await, errors.merged_issue(1, 2).await.unwrap()), (vec![], None));
}

#[tokio::test]
async fn tags_are_counted_over_the_events_of_an_issue() {
    let (_dir, errors) = store();
    let tagged = |id: u32, plan: &str| ErrorEvent {
        environment: Some("prod".into()),
        tags: [("plan".to_owned(), plan.to_owned()), ("environment".to_owned(), "tagged".to_owned())].into(),
        handled: Some(false),
        ..event(id, 1, i64::from(id))
    };
    let mut events: Vec<ErrorEvent> = (0..60).map(|id| tagged(id, if id % 3 == 0 { "free" } else { "paid" })).collect();
    events.push(event(60, 1, 60));
    events.push(ErrorEvent { tags: [("plan".to_owned(), "other".to_owned())].into(), ..event(61, 2, 61) });
    assert_eq!(stored(&errors, 1, events).await, (62, 0));
    let found = errors.issue_tags(1, 1, ErrorEventFilter::all_events()).await.unwrap();
    assert_eq!(found.events, 61);
    let tag = |key: &str| {
        let tag = found.tags.iter().find(|tag| tag.key == key).unwrap_or_else(|| panic!("{key}"));
        let values: Vec<_> = tag.values.iter().map(|value| (value.value.as_str(), value.count)).collect();
        (tag.count, tag.distinct, values)
    };
    assert_eq!(tag("plan"), (60, 2, vec![("paid", 40), ("free", 20)]));
    assert_eq!(tag("environment"), (60, 1, vec![("prod", 60)]), "the field of the event counts, not a tag of the same name");
    assert_eq!(tag("handled"), (60, 1, vec![("false", 60)]));
    assert_eq!(tag("user"), (61, 2, vec![("user 0", 31), ("user 1", 30)]));
    assert_eq!(errors.issue_tags(1, 1, ErrorEventFilter::in_range(0, 2)).await.unwrap().events, 2);
    assert_eq!(errors.issue_tags(2, 1, ErrorEventFilter::all_events()).await.unwrap(), IssueTagList { events: 0, tags: vec![] });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_whose_events_have_yet_to_be_moved_is_not_deleted_as_unused() {
    let (_dir, errors) = store();
    let errors = Arc::new(errors);
    assert_eq!(stored(&errors, 1, vec![event(1, 1, 10), event(2, 2, 20), event(3, 2, 30)]).await, (3, 0));
    errors.merge_issues(1, 1, vec![2]).await.unwrap();
    let change = IssueChange::Split { issue: 1, groups: vec![hex_group(2)] };
    let done = errors.request_write(ErrorWriteOperation::ChangeIssue { project: 1, change }).await.unwrap();
    assert_eq!((done.changed.unwrap().unwrap(), done.is_moving), (vec![2], true));
    let cutoffs = ExpiryCutoffs { pinned: [TraceId(99)].into(), ..ExpiryCutoffs::default() };
    assert_eq!(errors.clone().expire(1, Arc::new(cutoffs)).await.unwrap(), 0);
    while errors.request_write(ErrorWriteOperation::MoveEvents).await.unwrap().is_moving {}
    assert_eq!(counts(&errors).await, [(1, 1), (2, 2)]);
}
