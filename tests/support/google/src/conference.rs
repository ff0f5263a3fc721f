//! Google Meet: `conferenceData` with `createRequest` (guide "Create events").

use serde_json::{Map, Value, json};

/// How requests for a meeting end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Meetings {
    /// At once.
    #[default]
    AtOnce,
    /// The answer to the write says `pending`; from the next look on it is there.
    Later,
    /// They fail.
    Fail,
    /// The calendar has no Google Meet: the write is refused.
    NotAllowed,
}

/// Puts what was asked for in the event's conference data. The same `requestId` as before is
/// ignored.
pub(crate) fn ask(meetings: Meetings, before: Option<&Value>, asked: &Value, number: u64) -> Value {
    let request = &asked["createRequest"];
    if let Some(before) = before
        && before["createRequest"]["requestId"] == request["requestId"]
    {
        return before.clone();
    }
    let made = made(request, number);
    let status = |code: &str| {
        let mut request = request.clone();
        request["status"] = json!({ "statusCode": code });
        request
    };
    match meetings {
        Meetings::AtOnce => made,
        // What it will be is kept beside it until the next look.
        Meetings::Later => json!({ "createRequest": status("pending"), "later": made }),
        Meetings::Fail | Meetings::NotAllowed => json!({ "createRequest": status("failure") }),
    }
}

fn made(request: &Value, number: u64) -> Value {
    let code = format!("aaa-{number:04}-zzz");
    let mut request = request.clone();
    request["status"] = json!({ "statusCode": "success" });
    json!({
        "createRequest": request,
        "conferenceId": code,
        "conferenceSolution": { "key": { "type": "hangoutsMeet" }, "name": "Google Meet" },
        "entryPoints": [
            { "entryPointType": "more", "uri": format!("https://tel.meet.example/{code}") },
            {
                "entryPointType": "video",
                "uri": format!("https://meet.google.com/{code}"),
                "label": format!("meet.google.com/{code}"),
            },
        ],
    })
}

/// Brings in a meeting that was pending. True where there was one.
pub(crate) fn ripen(resource: &mut Map<String, Value>) -> bool {
    let later =
        resource.get_mut("conferenceData").and_then(|it| it.as_object_mut()?.remove("later"));
    match later {
        Some(made) => {
            resource.insert("conferenceData".into(), made);
            true
        }
        None => false,
    }
}

/// The event as it is shown.
pub(crate) fn show(resource: &mut Map<String, Value>) {
    let Some(data) = resource.get_mut("conferenceData").and_then(Value::as_object_mut) else {
        return;
    };
    data.remove("later");
    let video = data.get("entryPoints").and_then(Value::as_array).and_then(|points| {
        points.iter().find(|it| it["entryPointType"] == "video").map(|it| it["uri"].clone())
    });
    if let Some(uri) = video {
        resource.insert("hangoutLink".into(), uri);
    }
}
