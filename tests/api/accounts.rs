//! Accounts: made, changed, found, matched to visitors, and imported.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use frontdesk::service::access::Profile;
use frontdesk::service::account;
use frontdesk::store::booking::{Company, Person};
use reqwest::Method;
use serde_json::{Value, json};

use crate::on_both;
use crate::support::{Answer, Test};

const FIELDS: &str = "id name domains owner { name } createdAt";

async fn create(test: &Test, name: &str, domains: &[&str], owner: &str) -> Answer {
    let query = format!(
        "mutation($input: CreateAccountInput!) {{ createAccount(input: $input) {{ {FIELDS} }} }}"
    );
    let input = json!({ "name": name, "domains": domains, "ownerId": owner });
    test.admin(&query, json!({ "input": input })).await
}

async fn made(test: &Test, name: &str, domains: &[&str], owner: &str) -> String {
    let id = create(test, name, domains, owner).await.data("/createAccount/id");
    id.as_str().unwrap().to_owned()
}

async fn update(test: &Test, account: &str, mut input: Value) -> Answer {
    input["accountId"] = account.into();
    let query = format!(
        "mutation($input: UpdateAccountInput!) {{ updateAccount(input: $input) {{ {FIELDS} }} }}"
    );
    test.admin(&query, json!({ "input": input })).await
}

/// All accounts as `name: domains (owner)`.
async fn all(test: &Test) -> Vec<String> {
    let query = "{ accounts(first: 100) { nodes { name domains owner { name } } } }";
    let nodes = test.admin(query, json!({})).await.data("/accounts/nodes");
    let domains = |node: &Value| {
        let domains = node["domains"].as_array().unwrap().iter();
        domains.map(|domain| domain.as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    let line = |node: &Value| {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        format!("{}: {} ({})", text(&node["name"]), domains(node), text(&node["owner"]["name"]))
    };
    let mut lines: Vec<String> = nodes.as_array().unwrap().iter().map(line).collect();
    lines.sort();
    lines
}

async fn deactivate(test: &Test, agent: &str) {
    let query = "mutation($id: ID!) { updateAgent(input: { agentId: $id, active: false }) { id } }";
    test.admin(query, json!({ "id": agent })).await.data("/updateAgent/id");
}

on_both! {
    async fn an_account_is_made_changed_and_deleted(test: Test) {
        let grace = test.agent("Grace").await;
        let alan = test.agent("Alan").await;
        let domains = ["Acme.com.", "www.acme.com", "bücher.de", "acme.co.uk"];
        let account = create(&test, " Acme ", &domains, &grace).await.data("/createAccount");
        let id = account["id"].as_str().unwrap();
        assert!(id.starts_with("acc_"));
        assert_eq!(account, json!({
            "id": id, "name": "Acme", "domains": ["acme.co.uk", "acme.com", "xn--bcher-kva.de"],
            "owner": { "name": "Grace" }, "createdAt": "2027-01-04T08:00:00Z",
        }));
        for query in ["account", "node"] {
            let query = format!("query($id: ID!) {{ found: {query}(id: $id) {{ ... on Account {{ name }} }} }}");
            let found = test.admin(&query, json!({ "id": id })).await;
            assert_eq!(found.data("/found/name"), "Acme");
            let token = test.token(&grace, 60).await;
            let found = test.send(&token, &query, json!({ "id": id })).await;
            assert_eq!(found.body["data"]["found"], Value::Null, "{:#}", found.body);
        }
        let same = update(&test, id, json!({})).await.data("/updateAccount");
        assert_eq!(same, account);
        let input = json!({ "name": "ACME", "domains": ["acme.com", "acme.fr"] });
        let changed = update(&test, id, input).await.data("/updateAccount");
        assert_eq!((&changed["name"], &changed["domains"]), (&json!("ACME"), &json!(["acme.com", "acme.fr"])));
        let changed = update(&test, id, json!({ "ownerId": alan })).await.data("/updateAccount");
        assert_eq!((&changed["name"], &changed["owner"]["name"]), (&json!("ACME"), &json!("Alan")));
        let delete = "mutation($id: ID!) { deleteAccount(accountId: $id) }";
        let gone = test.admin(delete, json!({ "id": id })).await;
        assert_eq!(gone.data("/deleteAccount"), id);
        assert_eq!(test.admin(delete, json!({ "id": id })).await.code(), "NOT_FOUND");
        assert_eq!(update(&test, id, json!({})).await.code(), "NOT_FOUND");
        assert_eq!(test.count("account_domains").await, 0);
        // Its name and domains are free again.
        create(&test, "acme", &["acme.com"], &grace).await.data("/createAccount/id");
    }
}

on_both! {
    async fn names_and_domains_belong_to_one(test: Test) {
        let grace = test.agent("Grace").await;
        made(&test, "Ärzte", &["aerzte.example"], &grace).await;
        let other = made(&test, "Other", &["other.example"], &grace).await;
        let before = all(&test).await;
        let check = |answer: Answer, field: &str, message: &str| {
            assert_eq!((answer.code(), answer.field()), ("CONFLICT", field));
            assert_eq!(answer.body["errors"][0]["message"], message);
        };
        let named = "there is an account Ärzte already";
        check(create(&test, "äRZTE", &[], &grace).await, "input.name", named);
        let taken = "aerzte.example belongs to the account Ärzte";
        let domains = ["new.example", "new.example", "Aerzte.example"];
        check(create(&test, "New", &domains, &grace).await, "input.domains.2", taken);
        check(update(&test, &other, json!({ "name": "ärzte" })).await, "input.name", named);
        let input = json!({ "name": "Changed", "domains": ["aerzte.example"] });
        check(update(&test, &other, input).await, "input.domains.0", taken);
        assert_eq!(all(&test).await, before);
        // A subdomain is a domain of its own.
        create(&test, "New", &["eu.aerzte.example"], &grace).await.data("/createAccount/id");
    }
}

on_both! {
    async fn bad_input_names_its_field(test: Test) {
        let grace = test.agent("Grace").await;
        let alan = test.agent("Alan").await;
        let id = made(&test, "Acme", &["acme.com"], &grace).await;
        deactivate(&test, &alan).await;
        let before = all(&test).await;
        let many: Vec<String> = (0..101).map(|number| format!("d{number}.example")).collect();
        for (input, code, field) in [
            (json!({ "name": " " }), "BAD_USER_INPUT", "input.name"),
            (json!({ "name": "a".repeat(201) }), "BAD_USER_INPUT", "input.name"),
            (json!({ "name": "a\u{202E}b" }), "BAD_USER_INPUT", "input.name"),
            (json!({ "domains": ["a.example", "gmail.com"] }), "BAD_USER_INPUT", "input.domains.1"),
            (json!({ "domains": ["co.uk"] }), "BAD_USER_INPUT", "input.domains.0"),
            (json!({ "domains": ["192.0.2.1"] }), "BAD_USER_INPUT", "input.domains.0"),
            (json!({ "domains": ["https://acme.com/"] }), "BAD_USER_INPUT", "input.domains.0"),
            (json!({ "domains": [""] }), "BAD_USER_INPUT", "input.domains.0"),
            (json!({ "domains": many }), "BAD_USER_INPUT", "input.domains"),
            (json!({ "ownerId": alan }), "BAD_USER_INPUT", "input.ownerId"),
            (json!({ "ownerId": id }), "NOT_FOUND", ""),
            (json!({ "ownerId": "agt_00000000000000000000000000000000" }), "NOT_FOUND", ""),
        ] {
            let answer = update(&test, &id, input.clone()).await;
            assert_eq!((answer.code(), answer.field()), (code, field), "update {input}");
            let mut new = json!({ "name": "New", "domains": [], "ownerId": grace });
            new.as_object_mut().unwrap().extend(input.as_object().unwrap().clone());
            let query = "mutation($input: CreateAccountInput!) { createAccount(input: $input) { id } }";
            let answer = test.admin(query, json!({ "input": new })).await;
            assert_eq!((answer.code(), answer.field()), (code, field), "create {input}");
        }
        assert_eq!(all(&test).await, before);
    }
}

on_both! {
    async fn an_account_keeps_an_owner_who_was_deactivated(test: Test) {
        let grace = test.agent("Grace").await;
        let id = made(&test, "Acme", &["acme.com"], &grace).await;
        deactivate(&test, &grace).await;
        let changed = update(&test, &id, json!({ "name": "New", "ownerId": grace })).await;
        assert_eq!(changed.data("/updateAccount/owner/name"), "Grace");
        assert_eq!(changed.data("/updateAccount/name"), "New");
    }
}

on_both! {
    async fn accounts_are_paged_and_searched(test: Test) {
        let grace = test.agent("Grace").await;
        let alan = test.agent("Alan").await;
        for (name, domain, owner) in [
            ("Acme", "acme.com", &grace), ("Bücher", "bücher.de", &alan),
            ("50% Off_", "off.example", &grace), ("Zeta", "acme.example", &alan),
        ] {
            made(&test, name, &[domain], owner).await;
            test.clock.advance(chrono::TimeDelta::seconds(1));
        }
        let query = "query($first: Int, $after: String, $last: Int, $before: String, $search: String,
            $owner: ID) { accounts(first: $first, after: $after, last: $last, before: $before,
            search: $search, ownerId: $owner) { totalCount nodes { name }
            pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";
        let found = async |variables: Value| {
            let found = test.admin(query, variables).await.data("/accounts");
            let names = found["nodes"].as_array().unwrap().iter().map(|node| node["name"].as_str().unwrap());
            (names.collect::<Vec<_>>().join(" "), found["totalCount"].as_u64().unwrap(), found["pageInfo"].clone())
        };
        let (names, count, info) = found(json!({ "first": 3 })).await;
        assert_eq!((names.as_str(), count), ("Acme Bücher 50% Off_", 4));
        assert_eq!((&info["hasNextPage"], &info["hasPreviousPage"]), (&json!(true), &json!(false)));
        let (names, ..) = found(json!({ "first": 3, "after": info["endCursor"] })).await;
        assert_eq!(names, "Zeta");
        let (names, ..) = found(json!({ "last": 1, "before": info["endCursor"] })).await;
        assert_eq!(names, "Bücher");
        for (variables, names) in [
            (json!({ "search": "ACME" }), "Acme Zeta"),
            (json!({ "search": "acme.e" }), "Zeta"),
            (json!({ "search": "BÜCHER.de" }), "Bücher"),
            (json!({ "search": "0% O" }), "50% Off_"),
            (json!({ "search": "%" }), "50% Off_"),
            (json!({ "search": "f_" }), "50% Off_"),
            (json!({ "owner": alan }), "Bücher Zeta"),
            (json!({ "owner": alan, "search": "acme" }), "Zeta"),
            (json!({ "search": "nobody" }), ""),
        ] {
            let (found, count, _) = found(variables.clone()).await;
            assert_eq!(found, names, "{variables}");
            assert_eq!(count == 0, names.is_empty(), "{variables}");
        }
        let refused = test.admin(query, json!({ "first": 101 })).await;
        assert_eq!((refused.code(), refused.field()), ("BAD_USER_INPUT", "first"));
    }
}

on_both! {
    async fn statements_do_not_grow_with_a_page_of_accounts(test: Test) {
        let mut rows = String::from("name,domains,owner\n");
        for number in 0..50 {
            test.agent(&format!("Agent{number}")).await;
            rows.push_str(&format!("A{number},a{number}.example b{number}.example,agent{number}@agents.example\n"));
        }
        assert_eq!(import(&test, &rows, false).await["created"], 50);
        let mut counts = Vec::new();
        for first in [5, 50] {
            let before = test.statements.load(Ordering::SeqCst);
            let query = "query($n: Int) { accounts(first: $n) { nodes { id domains owner { name } } } }";
            let nodes = test.admin(query, json!({ "n": first })).await.data("/accounts/nodes");
            assert_eq!(nodes.as_array().unwrap().len(), first);
            counts.push(test.statements.load(Ordering::SeqCst) - before);
        }
        // The caller's key, the page, the domains and the owners.
        assert_eq!(counts, [4, 4]);
    }
}

on_both! {
    async fn visitors_are_matched_by_the_longest_domain(test: Test) {
        let grace = test.agent("Grace").await;
        made(&test, "Acme", &["acme.co.uk", "bücher.de"], &grace).await;
        made(&test, "Acme EU", &["eu.acme.co.uk"], &grace).await;
        for (email, domain, expected) in [
            ("ada@acme.co.uk", "", "Acme"),
            ("ada@mail.ACME.co.uk", "", "Acme"),
            ("ada@eu.acme.co.uk", "", "Acme EU"),
            ("ada@x.eu.acme.co.uk", "", "Acme EU"),
            ("ada@notacme.co.uk", "", ""),
            ("ada@co.uk", "", ""),
            ("ada@gmail.com", "", ""),
            ("ada@gmail.com", "www.acme.co.uk", "Acme"),
            ("ada@xn--bcher-kva.de", "", "Acme"),
            ("ada@visitors.example", "Bücher.DE", "Acme"),
            // The company that is given is the company.
            ("ada@acme.co.uk", "umbrella.example", ""),
            ("ada@acme.co.uk", "gmail.com", "Acme"),
        ] {
            let person = Person { email: email.to_owned(), ..Person::default() };
            let domain = (!domain.is_empty()).then(|| domain.to_owned());
            let company = Company { domain, ..Company::default() };
            let before = test.statements.load(Ordering::SeqCst);
            let found = account::matching(&test.app, Some(&person), Some(&company)).await.unwrap();
            assert!(test.statements.load(Ordering::SeqCst) - before <= 1);
            let name = found.map(|account| account.name).unwrap_or_default();
            assert_eq!(name, expected, "{email} {company:?}");
        }
        assert_eq!(account::matching(&test.app, None, None).await.unwrap(), None);
    }
}

/// Imports over GraphQL.
async fn import(test: &Test, csv: &str, dry_run: bool) -> Value {
    let query = "mutation($input: ImportAccountsInput!) { importAccounts(input: $input) {
        applied lines created updated unchanged problemCount problems { line field message } } }";
    let input = json!({ "csv": csv, "dryRun": dry_run });
    test.admin(query, json!({ "input": input })).await.data("/importAccounts")
}

/// Imports over plain HTTP.
async fn post(test: &Test, query: &str, bytes: impl Into<reqwest::Body>) -> (u16, Value) {
    let request = test.request(Method::POST, &format!("/imports/accounts{query}"));
    let response = request.bearer_auth(&test.admin).body(bytes).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

/// What became of a file: counts of created, updated, unchanged; and problems.
fn outcome(report: &Value) -> (bool, [u64; 4], Vec<String>) {
    let count = |name: &str| report[name].as_u64().unwrap();
    let line = |problem: &Value| {
        let field = problem["field"].as_str().unwrap_or("-");
        format!("{} {field} {}", problem["line"], problem["message"].as_str().unwrap())
    };
    let problems: Vec<String> = report["problems"].as_array().unwrap().iter().map(line).collect();
    assert_eq!(count("problemCount"), problems.len() as u64);
    let counts = ["lines", "created", "updated", "unchanged"].map(count);
    (report["applied"].as_bool().unwrap(), counts, problems)
}

const FILE: &str = "owner,name,domains\r\n\
    grace@agents.example,Acme,\"acme.com, acme.de\"\r\n\
    \r\n\
    GRACE@agents.example,Beta,beta.example;BETA.fr\r\n";

on_both! {
    async fn a_file_is_imported_and_imported_again(test: Test) {
        test.agent("Grace").await;
        test.agent("Alan").await;
        assert_eq!(outcome(&import(&test, FILE, true).await), (false, [2, 2, 0, 0], vec![]));
        assert_eq!(test.count("accounts").await, 0);
        assert_eq!(outcome(&import(&test, FILE, false).await), (true, [2, 2, 0, 0], vec![]));
        let first = ["Acme: acme.com acme.de (Grace)", "Beta: beta.example beta.fr (Grace)"];
        assert_eq!(all(&test).await, first);
        assert_eq!(outcome(&import(&test, FILE, false).await), (true, [2, 0, 0, 2], vec![]));
        // Acme's domain goes to Beta, and Beta's to a new one, which is no conflict: each line says
        // all that its account has.
        let next = "name,domains,owner\nACME,acme.com,alan@agents.example\n\
            Beta,acme.de beta.fr,grace@agents.example\nNew,beta.example,alan@agents.example\n";
        assert_eq!(outcome(&import(&test, next, true).await), (false, [3, 1, 2, 0], vec![]));
        assert_eq!(all(&test).await, first);
        assert_eq!(outcome(&import(&test, next, false).await), (true, [3, 1, 2, 0], vec![]));
        assert_eq!(all(&test).await, [
            "ACME: acme.com (Alan)", "Beta: acme.de beta.fr (Grace)", "New: beta.example (Alan)",
        ]);
    }
}

on_both! {
    async fn one_problem_keeps_all_lines_out(test: Test) {
        let grace = test.agent("Grace").await;
        let alan = test.agent("Alan").await;
        deactivate(&test, &alan).await;
        made(&test, "There", &["there.example"], &grace).await;
        made(&test, "Known", &["known.example"], &grace).await;
        let before = all(&test).await;
        let bad = "name,domains,owner\n\
            Good,good.example,grace@agents.example\n\
            Off,off.example,alan@agents.example\n\
            \"Two\nlines\",,grace@agents.example\n\
            Nobody,nobody.example,nobody@agents.example\n\
            Taken,there.example,grace@agents.example\n\
            =1+1,gmail.com,\n\
            Mixed,mixed.example co.uk,grace@agents.example\n\
            GOOD,,grace@agents.example\n\
            Known,known.example\n\
            Known,known.example good.example,grace@agents.example\n";
        let problems = vec![
            "3 owner the agent alan@agents.example is not active",
            "4 name name must not have the invisible character U+000A",
            "6 owner there is no agent nobody@agents.example",
            "7 domains there.example belongs to the account There",
            "8 name name must not begin with = + - @ or a tab: spreadsheets would run it as a formula",
            "8 domains gmail.com must be a company's own domain, not one of a mail service for everybody",
            "8 owner owner must not be empty",
            "9 domains co.uk must be a company's own domain, not a public suffix, under which anybody can have one",
            "10 name GOOD stands on line 2 already",
            "11 - there must be 3 cells as in the header, not 2",
            "12 domains good.example stands on line 2 already",
        ];
        for dry_run in [true, false] {
            let (applied, counts, found) = outcome(&import(&test, bad, dry_run).await);
            assert_eq!((applied, counts, found), (false, [10, 1, 0, 0], problems.iter().map(ToString::to_string).collect()));
            let (status, report) = post(&test, &format!("?dryRun={dry_run}"), bad).await;
            assert_eq!(status, if dry_run { 200 } else { 422 });
            assert_eq!(outcome(&report).2, problems);
        }
        assert_eq!(all(&test).await, before);
    }
}

on_both! {
    async fn problems_are_told_up_to_a_thousand(test: Test) {
        let file = format!("name,domains,owner\n{}", "A,,x@agents.example\n".repeat(1500));
        let (status, report) = post(&test, "", file).await;
        assert_eq!(status, 422);
        assert_eq!(report["problems"].as_array().unwrap().len(), 1000);
        // The owner of each line, and the name of all but the first.
        assert_eq!(report["problemCount"], 2999);
        assert_eq!(report["problems"][999]["line"], 502);
    }
}

on_both! {
    async fn files_in_other_encodings(test: Test) {
        test.agent("Grace").await;
        let text = "\u{FEFF}name,domains,owner\nBücher 💡,bücher.de,grace@agents.example\n";
        let utf16 = |unit: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
        let (little, big) = (utf16(u16::to_le_bytes), utf16(u16::to_be_bytes));
        for (bytes, counts) in [
            (text.as_bytes().to_vec(), [1, 1, 0, 0]),
            (little.clone(), [1, 0, 0, 1]),
            (big.clone(), [1, 0, 0, 1]),
        ] {
            let (status, report) = post(&test, "?dryRun=false", bytes).await;
            assert_eq!((status, outcome(&report)), (200, (true, counts, vec![])));
        }
        assert_eq!(all(&test).await, ["Bücher 💡: xn--bcher-kva.de (Grace)"]);
        assert_eq!(outcome(&import(&test, text, true).await).1, [1, 0, 0, 1]);
        let latin = b"name,domains,owner\nA,,grace@agents.example\nB\xFCcher,,grace@agents.example\n";
        for (bytes, message) in [
            (little[2..].to_vec(), "the file has zero bytes, as UTF-16 without a byte order mark has: save it as CSV in UTF-8"),
            (big[2..].to_vec(), "the file has zero bytes, as UTF-16 without a byte order mark has: save it as CSV in UTF-8"),
            (little[..little.len() - 1].to_vec(), "the file breaks off within a character on line 2: save it as CSV in UTF-8"),
            (latin.to_vec(), "the file is not in UTF-8 on line 3: save it as CSV in UTF-8"),
        ] {
            let (status, body) = post(&test, "", bytes).await;
            let error = &body["errors"][0];
            assert_eq!((status, &error["extensions"]["code"]), (400, &json!("BAD_USER_INPUT")));
            assert_eq!(error["message"], message);
        }
        assert_eq!(test.count("accounts").await, 1);
    }
}

on_both! {
    async fn a_file_of_five_million_lines_is_refused_while_it_arrives(test: Test) {
        let refused = |(status, body): (u16, Value), message: &str| {
            assert_eq!((status, &body["errors"][0]["extensions"]["code"]), (413, &json!("LIMIT_EXCEEDED")));
            assert_eq!(body["errors"][0]["message"], message);
        };
        let lines = "the file must have at most 200000 lines: split it";
        refused(post(&test, "", "a,b\n".repeat(200_001)).await, lines);
        refused(post(&test, "", "a,b\r".repeat(200_001)).await, lines);
        let size = "the file must have at most 64 MiB";
        let before = test.statements.load(Ordering::SeqCst);
        // Only the head is sent: what follows would be too long, so it is not waited for.
        let request = test.request(Method::POST, "/imports/accounts").bearer_auth(&test.admin);
        let body = vec![b'a'; 64 * 1024 * 1024 + 1];
        if let Ok(response) = request.body(body).send().await {
            let status = response.status().as_u16();
            refused((status, response.json().await.unwrap()), size);
        }
        // Five million lines, in pieces, of which the server reads but the first.
        let (sent, pieces) = pieces("a,b,c\n".repeat(10_000), 500);
        let request = test.request(Method::POST, "/imports/accounts").bearer_auth(&test.admin);
        if let Ok(response) = request.body(pieces).send().await {
            let status = response.status().as_u16();
            refused((status, response.json().await.unwrap()), lines);
        }
        assert!(sent.load(Ordering::SeqCst) < 500, "all of it was taken");
        // The key of each call, and nothing else.
        assert_eq!(test.statements.load(Ordering::SeqCst) - before, 2);
    }
}

/// A body of `count` equal pieces, and how many were asked for.
fn pieces(
    piece: String,
    count: u64,
) -> (std::sync::Arc<std::sync::atomic::AtomicU64>, reqwest::Body) {
    let sent = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let counter = std::sync::Arc::clone(&sent);
    let pieces = (0..count).map(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        Ok::<_, std::io::Error>(piece.clone())
    });
    (sent, reqwest::Body::wrap_stream(futures_util::stream::iter(pieces)))
}

on_both! {
    async fn who_may_send_a_file(test: Test) {
        let post = async |bearer: &str, path: &str, headers: &[(&str, &str)]| {
            let mut request = test.request(Method::POST, path).body("name,domains,owner");
            if !bearer.is_empty() {
                request = request.bearer_auth(bearer);
            }
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let response = request.send().await.unwrap();
            let status = response.status().as_u16();
            let body: Value = response.json().await.unwrap();
            let code = body["errors"][0]["extensions"]["code"].as_str().unwrap_or("").to_owned();
            (status, code)
        };
        let path = "/imports/accounts";
        let is = |found: (u16, String), status, code: &str| assert_eq!(found, (status, code.to_owned()));
        is(post("", path, &[]).await, 401, "UNAUTHENTICATED");
        is(post("fd_wrong", path, &[]).await, 401, "UNAUTHENTICATED");
        for (profile, status, code) in [
            (Profile::Admin, 200, ""), (Profile::SalesAdmin, 200, ""),
            (Profile::MarketingAdmin, 403, "FORBIDDEN"), (Profile::MarketingUser, 403, "FORBIDDEN"),
            (Profile::LiveAgent, 403, "FORBIDDEN"), (Profile::CalendarAgent, 403, "FORBIDDEN"),
        ] {
            is(post(&test.key(profile).await, path, &[]).await, status, code);
        }
        let key = &test.admin;
        for query in ["?dryrun=true", "?dryRun=1", "?dryRun", "?dryRun=true&dryRun=false", "?a=b"] {
            is(post(key, &format!("{path}{query}"), &[]).await, 400, "BAD_USER_INPUT");
        }
        is(post(key, path, &[("content-encoding", "gzip")]).await, 415, "BAD_USER_INPUT");
        let form = [("content-type", "Multipart/Form-Data; boundary=x")];
        is(post(key, path, &form).await, 415, "BAD_USER_INPUT");
        let plain = [("content-type", "application/x-www-form-urlencoded")];
        is(post(key, path, &plain).await, 200, "");
        let get = test.request(Method::GET, path).bearer_auth(key).send().await.unwrap();
        assert_eq!(get.status().as_u16(), 405);
    }
}

on_both! {
    async fn a_hundred_thousand_lines(test: Test) {
        for number in 0..10 {
            test.agent(&format!("Agent{number}")).await;
        }
        let mut file = String::from("name,domains,owner\n");
        for number in 0..100_000 {
            file.push_str(&format!(
                "Company {number},company-{number}.example,agent{}@agents.example\n", number % 10
            ));
        }
        let began = Instant::now();
        let importing = post(&test, "", file.clone());
        // Others are answered meanwhile.
        let asking = async {
            let mut slowest = Duration::ZERO;
            for _ in 0..20 {
                let asked = Instant::now();
                test.admin("{ viewer { kind } }", json!({})).await.data("/viewer/kind");
                slowest = slowest.max(asked.elapsed());
                tokio::task::yield_now().await;
            }
            slowest
        };
        let ((status, report), slowest) = tokio::join!(importing, asking);
        eprintln!("imported in {:?}, others answered in {slowest:?}", began.elapsed());
        assert_eq!((status, outcome(&report)), (200, (true, [100_000, 100_000, 0, 0], vec![])));
        assert_eq!((test.count("accounts").await, test.count("account_domains").await), (100_000, 100_000));
        // What changes some of many goes in more statements than one too.
        let some: Vec<&str> = file.lines().take(1 + 3_000).collect();
        let changed = some.join("\n").replace("agent1@", "agent2@").replace("agent3@", "agent4@");
        let (_, report) = post(&test, "", changed).await;
        assert_eq!(outcome(&report), (true, [3_000, 0, 600, 2_400], vec![]));
    }
}
