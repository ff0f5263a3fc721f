//! The public schema against the committed one and the contract.

use frontdesk::graphql;

#[test]
fn schema_graphql_is_current() {
    let committed = std::fs::read_to_string("schema.graphql").unwrap();
    assert!(
        committed == graphql::sdl(),
        "schema.graphql is stale: run `cargo run -- schema > schema.graphql`"
    );
}
