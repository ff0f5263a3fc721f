use proptest::prelude::*;

use super::*;

#[track_caller]
fn good(body: &str) {
    if let Err(problem) = check_template(TemplateSource { subject: "Hello", body }) {
        panic!("{problem}: {body}");
    }
}

#[track_caller]
fn bad(body: &str, line: u32, column: u32, message: &str) {
    let problem = check_template(TemplateSource { subject: "Hello", body }).unwrap_err();
    assert_eq!(problem.part, TemplatePart::Body);
    assert!(problem.message.contains(message), "{problem}");
    assert_eq!((problem.line, problem.column), (line, column), "{problem}");
}

#[test]
fn what_templates_may_say() {
    good("Hello {{person.firstName}}");
    good("Hello {{ person.firstName }} {{~person.lastName~}} !");
    good("{{default person.firstName \"there {{\"}}");
    good("{{default person.firstName 'you'}} {{default person.phone person.email}}");
    good("{{person.attributes.plan}} {{company.attributes.[Company size]}}");
    good("{{#if person.phone}}a{{else if person.email}}b{{else}}c{{/if}}");
    good("{{#unless (and person.phone (not company.name))}}a{{^}}b{{/unless}}");
    good("{{! a comment with {{ in it }}{{!-- and }} another --}}");
    good("[Manage]({{meeting.manageUrl}}) or [join]({{ meeting.conferenceUrl }})");
    good("<div>Raw <b>HTML</b> with {{agent.name}}</div>");
    good(
        "{{#if person.phone}}\n\nA paragraph.\n\n{{/if}}\n\n- {{agent.name}}\n- `{{agent.email}}`",
    );
    for token in crate::mail::tokens() {
        good(token.token);
    }
    good("");
}

#[test]
fn unknown_tokens_are_named_where_they_stand() {
    bad("Hello {{person.fristName}}", 1, 9, "unknown token \"person.fristName\"");
    bad("Hello\n\nàé {{ person }}", 3, 7, "unknown token \"person\"");
    bad("{{default person.nick \"you\"}}", 1, 11, "unknown token \"person.nick\"");
    bad("{{#if this}}a{{/if}}", 1, 7, "unknown token \"this\"");
    bad("{{person.attributes}}", 1, 3, "unknown token");
    bad("{{person.attributes.a.b}}", 1, 3, "unknown token");
    bad("{{person.attributes.this}}", 1, 3, "unknown token");
    bad("{{[person.attributes].plan}}", 1, 3, "unknown token");
    bad("{{person/email}}", 1, 3, "unknown token");
    bad("{{../person.email}}", 1, 3, "unknown token");
    bad("{{@root.person.email}}", 1, 3, "@ cannot stand here");
    bad("{{meeting.notes}}", 1, 3, "unknown token");
}

#[test]
fn broken_templates_are_named_where_they_break() {
    bad("a\n{{person.firstName", 2, 1, "not closed");
    bad("{{#if person.phone}}\na", 1, 1, "this if is not closed");
    bad("{{#if person.phone}}a{{/unless}}", 1, 25, "unless is closed here, but if is open");
    bad("a{{/if}}", 1, 5, "was not opened");
    bad("{{else}}", 1, 1, "outside of a condition");
    bad("{{#if person.phone}}{{else}}{{else}}{{/if}}", 1, 29, "second else");
    bad("{{}}", 1, 3, "empty");
    bad("{{default person.firstName}}", 1, 3, "default takes");
    bad("{{default person.firstName \"a}}", 1, 28, "second quote");
    bad("{{#if person.phone person.email}}{{/if}}", 1, 20, "one value");
    bad("{{#if (and person.phone person.email}}{{/if}}", 1, 7, ") is missing");
    bad("{{!-- a", 1, 1, "comment is not closed");
    bad("{{person.attributes.[a b}}", 1, 21, "] is missing");
}

#[test]
fn what_a_template_may_not_do() {
    bad("{{{person.firstName}}}", 1, 1, "as it is");
    bad("{{&person.firstName}}", 1, 1, "as it is");
    bad("{{{{raw}}}}a{{{{/raw}}}}", 1, 1, "as it is");
    bad("{{> header}}", 1, 1, "another one");
    bad("{{#> header}}{{/header}}", 1, 1, "another one");
    bad("{{* inline}}", 1, 3, "* cannot stand here");
    bad("{{lookup person \"email\"}}", 1, 3, "unknown helper \"lookup\"");
    bad("{{log person.email}}", 1, 3, "unknown helper \"log\"");
    bad("{{#each person}}{{/each}}", 1, 4, "unknown block \"each\"");
    bad("{{#with person}}{{/with}}", 1, 4, "unknown block \"with\"");
    bad("{{#if (eq person.phone \"1\")}}{{/if}}", 1, 8, "unknown helper \"eq\"");
    bad("{{if person.phone}}", 1, 3, "begins with #");
    bad("{{#if person.phone as |x|}}{{/if}}", 1, 20, "one value");
    bad("{{default person.phone x=1}}", 1, 24, "unknown token");
    bad(r"\{{person.email}}", 1, 1, "backslash");
    bad("{{#if person.phone}}".repeat(9).as_str(), 1, 161, "conditions deep");
}

#[test]
fn links_lead_where_the_agent_says() {
    bad("a [b]({{person.email}})", 1, 3, "no other token is a URL");
    bad("[b](https://x.example/{{person.email}})", 1, 1, "not both");
    bad("[b](javascript:alert(1))", 1, 1, "must begin with");
    bad("[b](/relative)", 1, 1, "must begin with");
    bad("{{person.email}} [b](x)", 1, 18, "must begin with");
    bad("![b](https://x.example/a.png)", 1, 1, "no images");
    bad("[b](https://x.example \"{{person.email}}\")", 1, 24, "cannot stand inside");
    bad("<a href=\"{{meeting.manageUrl}}\">b</a>", 1, 10, "cannot stand inside");
    bad("<b title={{person.email}}>b</b>", 1, 10, "cannot stand inside");
    bad("<{{person.email}}>", 1, 2, "cannot stand inside");
    bad("<script>{{person.email}}</script>", 1, 9, "cannot stand inside");
    bad("<!-- {{person.email}} -->", 1, 6, "cannot stand inside");
    bad("```{{person.email}}\na\n```", 1, 4, "cannot stand inside");
}

#[test]
fn sizes_and_characters() {
    bad(&"a".repeat(20_001), 1, 20_001, "longer than 20000");
    bad("a\u{0}", 1, 2, "control character");
    bad("a\u{e000}", 1, 2, "control character");
    bad(&"> ".repeat(30), 1, 41, "deep");
    let subject = |subject| check_template(TemplateSource { subject, body: "" }).unwrap_err();
    assert_eq!(subject("a\nb").message, "a subject is one line");
    assert_eq!(subject(" ").message, "a subject is needed");
    assert_eq!(subject("a {{b}}").part, TemplatePart::Subject);
    assert_eq!(subject("a {{b}}").column, 5);
}

#[test]
fn the_agents_own_braces_are_never_a_tag() {
    let source = TemplateSource { subject: "a", body: "&#123;&#123;person.email&#125;&#125; \\\\" };
    let compiled = compile(source).unwrap();
    assert_eq!(compiled.html.elements.len(), 1, "{:?}", compiled.html);
    assert_eq!(compiled.text.elements.len(), 1, "{:?}", compiled.text);
    let unescaped = TemplateSource { subject: "a", body: "&#123;{{person.email}}&#125;" };
    let compiled = compile(unescaped).unwrap();
    for element in &compiled.html.elements {
        assert!(!matches!(element, handlebars::template::TemplateElement::HtmlExpression(_)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// What the scanner lets through, Handlebars compiles: our reading is the stricter one.
    #[test]
    fn handlebars_agrees(
        parts in prop::collection::vec(prop::sample::select(vec![
            "{{", "}}", "{", "}", "#if ", "/if", "else", "person.firstName", "default ", "\"a\"",
            "(", ")", " ", "~", "\n", "\n\n", "- ", "*", "_", "`", "<", ">", "<b>", "[", "]", "(",
            "https://a.example", "&#123;", "\\", "|", "=", "'", "!--", "--", "meeting.manageUrl",
            "[a](", "and ", "not ", "^", "{{person.email}}", "{{#if person.email}}", "{{/if}}",
            "{{meeting.manageUrl}}", "é", "word",
        ]), 0..14),
    ) {
        let body = parts.concat();
        let result = check_template(TemplateSource { subject: "a", body: &body });
        if let Err(problem) = result {
            let ours = [
                "cannot", "is missing", "not closed", "unknown", "empty", "default takes", "as it is",
                "one value", "else", "closed here", "must begin", "URL", "backslash", "no images",
                "begins with", "takes", "deep", "another one",
            ];
            prop_assert!(ours.iter().any(|ours| problem.message.contains(ours)), "{problem}: {body:?}");
        }
    }
}
