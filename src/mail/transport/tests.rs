use chrono::DateTime;

use super::url::{MailUrl, Security, parse};
use super::*;
use crate::mail::Mailbox;

fn mail(id: &str, text: &str) -> OutgoingMail {
    let mailbox = |email: &str| Mailbox { name: None, email: email.into() };
    OutgoingMail {
        from: mailbox("no-reply@frontdesk.example"),
        to: mailbox("ana@acme.example"),
        reply_to: None,
        subject: "Hello".into(),
        text: text.into(),
        html: None,
        calendar: None,
        message_id: id.into(),
        date: DateTime::UNIX_EPOCH,
        auto_submitted: true,
    }
}

#[track_caller]
fn check_smtp(text: &str, host: &str, port: u16, security: Security, login: Option<(&str, &str)>) {
    let MailUrl::Smtp(smtp) = parse(text).unwrap() else { panic!("{text} is no SMTP") };
    assert_eq!((&*smtp.host, smtp.port, smtp.security), (host, port, security));
    let read = smtp.login.as_ref().map(|login| (&*login.user, &*login.password));
    assert_eq!(read, login);
    assert!(!format!("{smtp:?}").contains("secret"));
}

#[track_caller]
fn check_bad(text: &str, key: &str) {
    let error = parse(text).unwrap_err();
    assert_eq!(error.key, key, "{error}");
    let line = error.to_string();
    assert!(!line.contains("secret") && !line.contains('\n'), "{line}");
    assert!(line.contains("allowed: "), "{line}");
}

#[test]
fn urls_that_work() {
    use Security::{OpportunisticStartTls, Plain, StartTls, Tls};
    check_smtp("smtps://mail.example", "mail.example", 465, Tls, None);
    check_smtp("smtps://mail.example:2465?tls=required", "mail.example", 2465, Tls, None);
    check_smtp("smtp://mail.example", "mail.example", 587, StartTls, None);
    check_smtp("smtp://mail.example?tls=required", "mail.example", 587, StartTls, None);
    check_smtp(
        "smtp://m.example/?tls=opportunistic",
        "m.example",
        587,
        OpportunisticStartTls,
        None,
    );
    check_smtp("smtp://127.0.0.1:25?tls=none", "127.0.0.1", 25, Plain, None);
    let login = Some(("a@b.example", "secret/ü+ "));
    check_smtp(
        "smtp://a%40b.example:secret%2F%C3%BC+%20@mail.example:25?tls=none",
        "mail.example",
        25,
        Plain,
        login,
    );
    for (text, directory) in [("file:mail", "mail"), ("file:///var/mail", "/var/mail")] {
        assert_eq!(parse(text).unwrap(), MailUrl::File(directory.into()));
    }
}

#[test]
fn urls_that_do_not() {
    check_bad("", "url");
    check_bad("mail.example", "url");
    check_bad("smtp://user:secret@mail.example:99999", "url");
    check_bad("http://user:secret@mail.example", "scheme");
    check_bad("file:", "directory");
    check_bad("smtp:///x", "host");
    check_bad("smtp://user:secret@mail.example?tls=maybe", "tls");
    check_bad("smtps://mail.example?tls=none", "tls");
    check_bad("smtp://mail.example?timeout=3", "timeout");
    check_bad("smtp://mail.example/path", "path");
    check_bad("smtp://mail.example:0", "port");
    check_bad("smtp://user@mail.example", "password");
    check_bad("smtp://:secret@mail.example", "user");
    check_bad("smtp://user:secret%ff@mail.example", "password");
    check_bad("smtp://user:sec#ret@mail.example", "url");
}

#[tokio::test]
async fn a_resend_overwrites_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("not/there/yet");
    let mailer = Mailer::from_url(&format!("file:{}", path.display())).unwrap();
    mailer.send(&mail("<1.0.visitor@a.example>", "first")).await.unwrap();
    mailer.send(&mail("<1.0.visitor@a.example>", "again")).await.unwrap();
    mailer.send(&mail("<2/../../x@a.example>", "other")).await.unwrap();
    let mut names: Vec<String> = std::fs::read_dir(&path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["1.0.visitor@a.example.eml", "2....x@a.example.eml"]);
    let text = std::fs::read_to_string(path.join("1.0.visitor@a.example.eml")).unwrap();
    assert!(text.contains("again") && !text.contains("first"), "{text}");
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_transient() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mailer = Mailer::from_url(&format!("file:{}", file.path().display())).unwrap();
    let error = mailer.send(&mail("<1@a.example>", "a")).await.unwrap_err();
    assert_eq!(error.kind, SendErrorKind::Transient);
}

#[tokio::test]
async fn memory_keeps_mails_and_fails_when_told() {
    let (mailer, outbox) = Mailer::memory();
    outbox.fail_next(SendErrorKind::Transient);
    let sent = mail("<1@a.example>", "a");
    assert_eq!(mailer.send(&sent).await.unwrap_err().kind, SendErrorKind::Transient);
    mailer.send(&sent).await.unwrap();
    assert_eq!(outbox.mails().len(), 1);
    assert_eq!(outbox.drain()[0].mail, sent);
    assert!(outbox.mails().is_empty());
}

#[tokio::test]
async fn a_mail_to_nowhere_is_permanent() {
    let (mailer, outbox) = Mailer::memory();
    let mut nowhere = mail("<1@a.example>", "a");
    nowhere.to.email = "nobody".into();
    assert_eq!(mailer.send(&nowhere).await.unwrap_err().kind, SendErrorKind::Permanent);
    assert!(outbox.mails().is_empty());
}

/// A server that says one thing to each connection, and then nothing.
async fn server(greeting: &'static [u8]) -> Mailer {
    use tokio::io::AsyncWriteExt;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(greeting).await.unwrap();
            if greeting.is_empty() {
                held.push(stream);
            }
        }
    });
    Mailer::from_url(&format!("smtp://127.0.0.1:{port}?tls=none")).unwrap()
}

#[tokio::test]
async fn answers_are_told_apart() {
    let sent = mail("<1@a.example>", "a");
    for (greeting, kind) in [
        (&b"421 busy\r\n"[..], SendErrorKind::Transient),
        (b"554 never\r\n", SendErrorKind::Permanent),
        (b"535 bad password\r\n", SendErrorKind::Transient),
        (b"?\r\n", SendErrorKind::Transient),
        (b"220 hello\r\n", SendErrorKind::Transient),
    ] {
        let error = server(greeting).await.send(&sent).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error:?}");
    }
    let silent = server(b"").await.with_deadline(Duration::from_millis(50));
    let error = silent.send(&sent).await.unwrap_err();
    assert_eq!(error.kind, SendErrorKind::Transient);
    assert!(error.source.to_string().contains("no answer within 50ms"), "{error:?}");
}
