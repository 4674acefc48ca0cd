//! Delivery to real receivers on this machine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hinomi_tables::secret_cipher::SecretCipher;
use tokio_util::sync::CancellationToken;

use super::notification;
use super::receiver::{Answer, Receiver};
use crate::delivery::notification::{AlertNotification, AlertNotificationKind};
use crate::delivery::{
    AllowedNetworks, ChannelConfiguration, DeliveryFilter, DeliveryWorker, NotificationChannelDraft, NotificationDelivery,
    NotificationOutbox, TrustedCertificates,
};

/// A running delivery worker with a directory of its own.
struct Post {
    outbox: Arc<NotificationOutbox>,
    delivery_worker: Arc<DeliveryWorker>,
    stop: CancellationToken,
    runtime: tokio::runtime::Runtime,
    folder: tempfile::TempDir,
}

impl Post {
    fn open() -> Post {
        Post::at(tempfile::tempdir().unwrap(), "127.0.0.1")
    }

    fn at(folder: tempfile::TempDir, allow: &str) -> Post {
        let outbox = Arc::new(NotificationOutbox::open(folder.path(), SecretCipher::default()).unwrap());
        let delivery_worker =
            Arc::new(DeliveryWorker::new(outbox.clone(), AllowedNetworks::parse(allow).unwrap(), TrustedCertificates::default()));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Post { outbox, delivery_worker, stop: CancellationToken::new(), runtime, folder }
    }

    fn run(&self) {
        self.runtime.spawn(self.delivery_worker.clone().run(self.stop.clone()));
    }

    fn draft(url: &str) -> NotificationChannelDraft {
        let address = ChannelConfiguration::Webhook { url: url.to_owned() };
        NotificationChannelDraft { name: "a".to_owned(), language: None, disabled: false, configuration: address, secret: None }
    }

    fn target(&self, url: &str) -> i64 {
        self.outbox.create_channel(1, Post::draft(url), self.delivery_worker.allowed_networks()).unwrap().0.id
    }

    fn of(&self, target: i64) -> Vec<NotificationDelivery> {
        self.outbox.deliveries(1, &DeliveryFilter { target: Some(target), limit: 5000, ..DeliveryFilter::default() }).unwrap()
    }

    fn wait(&self, what: &str, target: i64, holds: impl Fn(&NotificationDelivery) -> bool) -> NotificationDelivery {
        let started = Instant::now();
        loop {
            if let Some(found) = self.of(target).into_iter().find(&holds) {
                return found;
            }
            assert!(started.elapsed() < Duration::from_secs(30), "{what}: {:?}", self.of(target));
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn misbehaving_target_does_not_delay_others() {
    let post = Post::open();
    let answers = [Answer::Hang, Answer::Status(500), Answer::Redirect("http://127.0.0.1:9/"), Answer::Much, Answer::Status(200)];
    let receivers = answers.map(Receiver::start);
    let targets = receivers.each_ref().map(|receiver| post.target(&receiver.url));
    post.run();
    for key in ["a", "b"] {
        post.outbox.enqueue(&[(notification(key), targets.to_vec())]).unwrap();
    }
    let [hanging, failing, redirecting, babbling, good] = targets;
    for key in ["a", "b"] {
        post.wait("the good one", good, |delivery| delivery.idempotency_key == key && delivery.state == "delivered");
        post.wait("the one that babbles", babbling, |delivery| delivery.idempotency_key == key && delivery.state == "delivered");
    }
    let tried = |delivery: &NotificationDelivery| delivery.attempts.first().is_some_and(|attempt| attempt.error.is_some());
    let failed = post.wait("the one that fails", failing, tried);
    assert_eq!((failed.state.as_str(), failed.attempts[0].status), ("waiting", Some(500)));
    assert!(failed.next_attempt_at.is_some());
    let redirected = post.wait("the one that redirects", redirecting, tried);
    assert!(redirected.attempts[0].error.as_ref().unwrap().contains("redirect"));
    // Only the first change has been sent by now; the second one waits behind it.
    assert_eq!(receivers[0].wait(1)[0].id, "a");
    assert!(post.of(hanging).iter().all(|delivery| delivery.state == "waiting"));
    post.stop.cancel();
}

#[test]
fn retry_keeps_the_key_and_the_order() {
    let post = Post::open();
    let receiver = Receiver::start(Answer::Once(503));
    let target = post.target(&receiver.url);
    post.run();
    post.outbox
        .enqueue(&[
            (notification("opened"), vec![target]),
            (AlertNotification { kind: AlertNotificationKind::Resolved, ..notification("resolved") }, vec![target]),
        ])
        .unwrap();
    post.wait("the first attempt", target, |delivery| delivery.attempts.first().is_some_and(|attempt| attempt.error.is_some()));
    // The deliveries of an updated channel are retried immediately.
    post.outbox.update_channel(1, target, Post::draft(&receiver.url), post.delivery_worker.allowed_networks()).unwrap();
    post.wait("both", target, |delivery| delivery.kind == AlertNotificationKind::Resolved && delivery.state == "delivered");
    let ids: Vec<_> = receiver.told().into_iter().map(|told| told.id).collect();
    assert_eq!(ids, ["opened", "opened", "resolved"]);
    assert_eq!(post.outbox.enqueue(&[(notification("opened"), vec![target])]).unwrap(), 0);
    post.stop.cancel();
}

#[test]
fn paused_delivery_sends_waiting_notifications_when_resumed() {
    let post = Post::open();
    let receiver = Receiver::start(Answer::Status(200));
    let target = post.target(&receiver.url);
    post.delivery_worker.set_paused(true);
    // Deliveries that waited before the pause, as in a restored directory, wait too.
    post.outbox.enqueue(&[(notification("a"), vec![target])]).unwrap();
    post.run();
    post.outbox.enqueue(&[(notification("b"), vec![target])]).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert!(receiver.told().is_empty() && post.of(target).iter().all(|delivery| delivery.state == "waiting"));
    post.delivery_worker.set_paused(false);
    post.wait("both", target, |delivery| delivery.idempotency_key == "b" && delivery.state == "delivered");
    assert_eq!(receiver.told().into_iter().map(|told| told.id).collect::<Vec<_>>(), ["a", "b"]);
    post.stop.cancel();
}

#[test]
fn interrupted_delivery_is_retried() {
    let post = Post::open();
    let receiver = Receiver::start(Answer::Status(200));
    let target = post.target(&receiver.url);
    post.outbox.enqueue(&[(notification("a"), vec![target])]).unwrap();
    assert_eq!(post.outbox.take_due(target).unwrap().unwrap().notification, notification("a"));
    let Post { outbox, delivery_worker, runtime, folder, .. } = post;
    drop((outbox, delivery_worker, runtime));
    let post = Post::at(folder, "127.0.0.1");
    post.run();
    let delivered = post.wait("the one on its way", target, |delivery| delivery.state == "delivered");
    assert_eq!(delivered.attempts.len(), 2);
    assert!(delivered.attempts[0].error.as_ref().unwrap().contains("server stopped"));
    assert_eq!(receiver.told().len(), 1);
    post.stop.cancel();
}

#[test]
fn many_notifications_become_one_digest() {
    let post = Post::open();
    let receiver = Receiver::start(Answer::Status(200));
    let target = post.target(&receiver.url);
    let storm: Vec<_> = (0..1000).map(|at| (notification(&format!("k{at}")), vec![target])).collect();
    assert_eq!(post.outbox.enqueue(&storm).unwrap(), 1000);
    post.run();
    let digest =
        post.wait("the digest", target, |delivery| delivery.kind == AlertNotificationKind::Digest && delivery.state == "delivered");
    assert_eq!(digest.gathered, 1000);
    let told = receiver.told();
    assert_eq!((told.len(), &told[0].body["type"]), (1, &"alert.digest".into()));
    assert_eq!(told[0].body["data"]["gathered"].as_array().unwrap().len(), 1000);
    let folded = post.of(target).into_iter().filter(|delivery| delivery.folded_into == Some(digest.id)).count();
    assert_eq!(folded, 1000);
    post.stop.cancel();
}

#[test]
fn private_networks_need_configuration() {
    let post = Post::at(tempfile::tempdir().unwrap(), "");
    let receiver = Receiver::start(Answer::Status(200));
    assert!(post.outbox.create_channel(1, Post::draft(&receiver.url), post.delivery_worker.allowed_networks()).is_err());
    // A name is resolved when something is sent, and the setting may have changed since the channel was saved.
    let named = Post::draft(&receiver.url.replace("127.0.0.1", "localhost"));
    let target = post.outbox.create_channel(1, named, &AllowedNetworks::parse("all").unwrap()).unwrap().0.id;
    let tested = post.runtime.block_on(post.delivery_worker.send_test(1, target, "http://h")).unwrap();
    assert_eq!(tested.state, "failed");
    assert!(tested.attempts[0].error.as_ref().unwrap().contains("notify.allow"));
    assert!(receiver.told().is_empty());
}

#[test]
fn test_notification_skips_the_queue_and_returns_its_result() {
    let post = Post::open();
    let receiver = Receiver::start(Answer::Once(500));
    let target = post.target(&receiver.url);
    let test = || post.runtime.block_on(post.delivery_worker.send_test(1, target, "http://h")).unwrap();
    assert_eq!((test().state.as_str(), test().state.as_str()), ("failed", "delivered"));
    assert_eq!(receiver.told()[0].body["type"], "alert.test");
}

#[test]
fn secrets_are_not_sent_to_another_host() {
    let post = Post::open();
    let address = |host: &str| ChannelConfiguration::Email {
        host: host.to_owned(),
        port: None,
        security: crate::delivery::SmtpSecurity::Tls,
        username: Some("h".to_owned()),
        from: "h@example.com".to_owned(),
        to: vec!["a@example.com".to_owned()],
    };
    let draft = |host: &str, secret: Option<&str>| NotificationChannelDraft {
        name: "mail".to_owned(),
        language: None,
        disabled: false,
        configuration: address(host),
        secret: secret.map(crate::delivery::ChannelSecret::new),
    };
    let allowed = post.delivery_worker.allowed_networks();
    let (mail, _) = post.outbox.create_channel(1, draft("smtp.example.com", Some("word")), allowed).unwrap();
    let kept = post.outbox.update_channel(1, mail.id, draft("smtp.example.com", None), allowed).unwrap().0;
    assert_eq!(kept.secret.reveal(), "word");
    // The password is not sent to another host.
    let moved = post.outbox.update_channel(1, mail.id, draft("smtp.evil.example", None), allowed);
    assert!(moved.unwrap_err().to_string().contains("secret"));
}
