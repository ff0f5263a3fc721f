use std::fmt::Write;

use async_graphql::parser::parse_query;

use super::*;

fn check(text: &str, limits: &Limits) -> Result<(), Excess> {
    check_text(text, limits)?;
    check_document(&parse_query(text).unwrap(), limits)
}

#[track_caller]
fn refused(text: &str, limits: &Limits, limit: &str, asked: u64) {
    match check(text, limits) {
        Err(Excess::Limit { limit: found, asked: counted, .. }) => {
            assert_eq!((found, counted), (limit, asked));
        }
        other => panic!("{other:?}"),
    }
}

/// Each fragment spreads the next one twice: 2^levels selections in 40 bytes a level.
fn bomb(levels: usize) -> String {
    let mut text = "{...f0}".to_owned();
    for level in 0..levels {
        let next = level + 1;
        write!(text, "fragment f{level} on Query{{...f{next}...f{next}}}").unwrap();
    }
    write!(text, "fragment f{levels} on Query{{__typename}}").unwrap();
    text
}

#[test]
fn a_fragment_bomb_is_refused_at_once() {
    let text = bomb(22);
    // Selections are 1 for the first spread, then 2 + twice the next level's.
    refused(&text, &Limits::default(), "selections", (1 << 22) * 3 - 1);
    let document = parse_query(&text).unwrap();
    let rounds = 100;
    let started = std::time::Instant::now();
    for _ in 0..rounds {
        assert!(check_text(&text, &Limits::default()).is_ok());
        assert!(check_document(&document, &Limits::default()).is_err());
    }
    let each = started.elapsed() / rounds;
    assert!(each < std::time::Duration::from_millis(2), "{each:?} unoptimised");
}

#[test]
fn counts_do_not_overflow() {
    let limits = Limits { nesting: usize::MAX, tokens: usize::MAX, ..Limits::default() };
    refused(&bomb(200), &limits, "selections", u64::MAX);
}

#[test]
fn fragments_that_spread_themselves_are_named() {
    for text in [
        "{...a} fragment a on Query{...b} fragment b on Query{...a}",
        "{hello} fragment a on Query{nested{...a}}",
    ] {
        let error = check(text, &Limits::default()).unwrap_err();
        assert!(matches!(error, Excess::Cycle(_)), "{error}");
    }
}

#[test]
fn depth_is_counted_through_fragments() {
    let limits = Limits { depth: 3, ..Limits::default() };
    assert_eq!(check("{nested{nested{hello}}}", &limits), Ok(()));
    refused("{nested{nested{nested{hello}}}}", &limits, "levels of depth", 4);
    refused(
        "{nested{...a}} fragment a on Query{nested{... on Query{nested{hello}}}}",
        &limits,
        "levels of depth",
        4,
    );
}

#[test]
fn aliases_are_counted_through_fragments_and_operations() {
    let limits = Limits { aliases: 3, ..Limits::default() };
    let text = "query A{...a ...a} query B{x:hello} fragment a on Query{y:hello}";
    assert_eq!(check(text, &limits), Ok(()));
    let text = "query A{...a ...a} query B{x:hello z:hello} fragment a on Query{y:hello}";
    refused(text, &limits, "aliases", 4);
}

#[test]
fn selections_have_an_exact_bound() {
    let limits = Limits { selections: 4, ..Limits::default() };
    assert_eq!(
        check("{hello nested{hello ...{hello}}}", &Limits { selections: 5, ..limits.clone() }),
        Ok(())
    );
    refused("{hello nested{hello ...{hello}}}", &limits, "selections", 5);
}

#[test]
fn nesting_is_bounded_before_the_parser_recurses() {
    let limits = Limits { tokens: usize::MAX, ..Limits::default() };
    for (open, close) in [("{a", "}"), ("{a(b:[", "])}"), ("{a(b:{c:", "})}")] {
        let text = open.repeat(100_000) + &close.repeat(100_000);
        let error = check_text(&text, &limits).unwrap_err();
        assert!(matches!(error, Excess::Limit { limit: "levels of nesting", .. }), "{error}");
    }
}

#[test]
fn nesting_is_counted_through_fragments() {
    let mut text = "{...f0}".to_owned();
    for level in 0..40 {
        write!(text, "fragment f{level} on Query{{...f{}}}", level + 1).unwrap();
    }
    text += "fragment f40 on Query{hello}";
    refused(&text, &Limits::default(), "levels of nesting", 42);
}

#[test]
fn directives_are_bounded() {
    let text = format!("{{hello {}}}", "@skip(if:false)".repeat(51));
    refused(&text, &Limits::default(), "directives", 51);
}

#[track_caller]
fn tokens(text: &str, expected: usize) {
    assert_eq!(check_text(text, &Limits { tokens: expected, ..Limits::default() }), Ok(()));
    let one_less = Limits { tokens: expected - 1, ..Limits::default() };
    assert!(check_text(text, &one_less).is_err(), "fewer than {expected} tokens");
}

#[test]
fn tokens_are_those_of_the_specification() {
    tokens("{hello}", 3);
    tokens("{ a, b ,, c # { comment @ \n d }", 6);
    tokens("query Q($a: [Int!]! = [-1.5e+3, 2]) { f(x: $a) }", 26);
    tokens("{...a ... on B{c}}", 10);
    tokens("{a...b...c}", 7);
    tokens(r#"{a(b:"x { \" @ y \\" c:"")}"#, 11);
    tokens(r#"{a(b:"""x " { \""" @ """ c:"z")}"#, 11);
    tokens("{a(b:\"unfinished", 6);
}

#[test]
fn the_introspection_query_passes() {
    let text = include_str!("introspection.graphql");
    assert_eq!(check(text, &Limits::default()), Ok(()));
}
