//! Custom routing rules: kept as given, refused where they make no sense, read anew once they change.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use frontdesk::service::access::Profile;
use frontdesk::service::routing_rule::{Snapshot, snapshot};
use serde_json::{Value, json};

use crate::on_both;
use crate::support::{Answer, Test};

const FIELDS: &str = "id name description priority active agents { id name } team { id name }
    condition { allOf { allOf { test { field } } anyOf { allOf { test { field } }
        test { field attribute operator values } } test { field attribute operator values } }
        anyOf { test { field } } test { field attribute operator values } } createdAt";

async fn create(test: &Test, input: Value) -> Answer {
    let query = format!(
        "mutation($input: CreateRoutingRuleInput!) {{ createRoutingRule(input: $input) {{ {FIELDS} }} }}"
    );
    test.admin(&query, json!({ "input": input })).await
}

async fn update(test: &Test, input: Value) -> Answer {
    let query = format!(
        "mutation($input: UpdateRoutingRuleInput!) {{ updateRoutingRule(input: $input) {{ {FIELDS} }} }}"
    );
    test.admin(&query, json!({ "input": input })).await
}

async fn reorder(test: &Test, ids: Value) -> Answer {
    let query = "mutation($ids: [ID!]!) { reorderRoutingRules(ruleIds: $ids) { id priority } }";
    test.admin(query, json!({ "ids": ids })).await
}

async fn rules(test: &Test) -> Value {
    test.admin(&format!("{{ routingRules {{ {FIELDS} }} }}"), json!({})).await.data("/routingRules")
}

fn test_of(field: &str, operator: &str, values: Value) -> Value {
    json!({ "test": { "field": field, "operator": operator, "values": values } })
}

/// A rule for visitors from France.
fn france(agent: &str, name: &str) -> Value {
    let condition = test_of("COMPANY_COUNTRY", "IS", json!(["France"]));
    json!({ "name": name, "agentIds": [agent], "condition": condition })
}

async fn id_of(answer: &Answer, mutation: &str) -> String {
    answer.data(&format!("/{mutation}/id")).as_str().unwrap().to_owned()
}

async fn deactivate(test: &Test, agent: &str) {
    let query = "mutation($id: ID!) { updateAgent(input: { agentId: $id, active: false }) { id } }";
    test.admin(query, json!({ "id": agent })).await.data("");
}

on_both! {
    async fn a_rule_is_kept_as_it_was_given(test: Test) {
        let (grace, alan) = (test.agent("Grace").await, test.agent("Alan").await);
        let condition = json!({ "allOf": [
            { "anyOf": [
                { "allOf": [test_of("COMPANY_NAME", "IS_NOT", json!(["Acme"]))] },
                { "test": { "field": "COMPANY_ATTRIBUTE", "attribute": "employees",
                    "operator": "GREATER", "values": ["500"] } },
            ] },
            test_of("PERSON_EMAIL_DOMAIN", "IS_ANY_OF", json!(["a.example", " b.example "])),
            { "test": { "field": "PERSON_PHONE", "operator": "IS_EMPTY" } },
        ] });
        let made = create(&test, json!({
            "name": " Large ", "description": "Whoever is large", "priority": 7,
            "agentIds": [alan, grace], "condition": condition,
        })).await.data("/createRoutingRule");
        assert_eq!(made["name"], "Large");
        assert_eq!(made["priority"], 7);
        assert_eq!(made["active"], true);
        assert_eq!(made["createdAt"], "2027-01-04T08:00:00Z");
        let named = json!([{ "id": alan, "name": "Alan" }, { "id": grace, "name": "Grace" }]);
        assert_eq!(made["agents"], named, "in the order given");
        let all = &made["condition"]["allOf"];
        assert_eq!(all[1]["test"]["values"], json!(["a.example", "b.example"]));
        assert_eq!(all[2]["test"]["values"], json!([]));
        assert_eq!(all[0]["anyOf"][0]["allOf"][0]["test"]["field"], "COMPANY_NAME");
        assert_eq!(all[0]["anyOf"][1]["test"]["attribute"], "employees");
        assert_eq!((&all[0]["allOf"], &all[0]["test"]), (&Value::Null, &Value::Null));
        assert_eq!(rules(&test).await, json!([made]));
        let by_id = "query($id: ID!) { routingRule(id: $id) { name }
            node(id: $id) { ... on RoutingRule { name } } }";
        let found = test.admin(by_id, json!({ "id": made["id"] })).await.data("");
        let large = json!({ "name": "Large" });
        assert_eq!(found, json!({ "routingRule": large, "node": large }));
    }
}

on_both! {
    async fn a_rule_changes_where_something_is_given(test: Test) {
        let (grace, alan) = (test.agent("Grace").await, test.agent("Alan").await);
        let mut input = france(&grace, "French");
        input["description"] = "Words".into();
        let made = create(&test, input).await.data("/createRoutingRule");
        let same = update(&test, json!({ "ruleId": made["id"] })).await.data("/updateRoutingRule");
        assert_eq!(same, made);
        let other = test_of("PERSON_FIRST_NAME", "STARTS_WITH", json!(["A"]));
        let changed = update(&test, json!({ "ruleId": made["id"], "name": "New", "description": "",
            "priority": 3, "active": false, "agentIds": [alan], "condition": other })).await;
        let changed = changed.data("/updateRoutingRule");
        assert_eq!(changed["description"], Value::Null);
        assert_eq!(changed["agents"][0]["name"], "Alan");
        assert_eq!((&changed["priority"], &changed["active"]), (&json!(3), &json!(false)));
        assert_eq!(changed["condition"]["test"]["field"], "PERSON_FIRST_NAME");
        assert_eq!(rules(&test).await, json!([changed]));

        let delete = "mutation($id: ID!) { deleteRoutingRule(ruleId: $id) }";
        let deleted = test.admin(delete, json!({ "id": made["id"] })).await;
        assert_eq!(deleted.data("/deleteRoutingRule"), made["id"]);
        assert_eq!(rules(&test).await, json!([]));
        assert_eq!(test.count("routing_rule_agents").await, 0);
        assert_eq!(test.admin(delete, json!({ "id": made["id"] })).await.code(), "NOT_FOUND");
        let gone = update(&test, json!({ "ruleId": made["id"], "name": "New" })).await;
        assert_eq!(gone.code(), "NOT_FOUND");
    }
}

on_both! {
    async fn rules_stand_in_order_of_priority(test: Test) {
        let agent = test.agent("Grace").await;
        let mut ids = Vec::new();
        for (name, priority) in [("a", Some(5)), ("b", None), ("c", Some(5)), ("d", Some(1))] {
            let mut input = france(&agent, name);
            input["priority"] = priority.into();
            ids.push(id_of(&create(&test, input).await, "createRoutingRule").await);
        }
        let names = async || -> Vec<(String, i64)> {
            let rules = rules(&test).await;
            let pair = |rule: &Value| {
                (rule["name"].as_str().unwrap().to_owned(), rule["priority"].as_i64().unwrap())
            };
            rules.as_array().unwrap().iter().map(pair).collect()
        };
        let expected = [("d", 1), ("a", 5), ("c", 5), ("b", 6)].map(|(n, p)| (n.to_owned(), p));
        assert_eq!(names().await, expected, "of equal ones the older first");

        let order: Vec<&str> = [1, 2, 3, 0].map(|index: usize| ids[index].as_str()).to_vec();
        let ordered = reorder(&test, json!(order)).await.data("/reorderRoutingRules");
        assert_eq!(ordered[0], json!({ "id": ids[1], "priority": 1 }));
        let expected = [("b", 1), ("c", 2), ("d", 3), ("a", 4)].map(|(n, p)| (n.to_owned(), p));
        assert_eq!(names().await, expected);

        let unknown = "rul_00000000000000000000000000000000";
        for (wrong, field) in [
            (json!([]), "ruleIds"),
            (json!(order[1..]), "ruleIds"),
            (json!([order[0], order[1], order[2], order[0]]), "ruleIds.3"),
            (json!([order[0], order[1], order[2], unknown]), "ruleIds.3"),
            (json!([agent]), "ruleIds.0"),
        ] {
            let answer = reorder(&test, wrong.clone()).await;
            assert_eq!((answer.code(), answer.field()), ("BAD_USER_INPUT", field), "{wrong}");
        }
        assert_eq!(names().await, expected);
    }
}

/// A condition with this many groups around a test.
fn nested(depth: usize) -> Value {
    let test = test_of("COMPANY_NAME", "IS", json!(["Acme"]));
    (0..depth).fold(test, |inner, level| {
        if level % 2 == 0 { json!({ "allOf": [inner] }) } else { json!({ "anyOf": [inner] }) }
    })
}

/// Conditions that are refused, and where.
fn bad_conditions() -> Vec<(Value, &'static str)> {
    let plain = |operator: &str, values: Value| test_of("COMPANY_NAME", operator, values);
    let with = |field: &str, attribute: Value| {
        json!({ "test": { "field": field, "attribute": attribute, "operator": "IS",
            "values": ["x"] } })
    };
    let many = |count: usize| vec!["x"; count];
    let one = plain("IS", json!(["x"]));
    vec![
        (nested(4), "allOf"),
        (json!({ "allOf": [] }), "allOf"),
        (json!({ "allOf": [one, { "anyOf": [] }] }), "allOf.1.anyOf"),
        (json!({ "anyOf": vec![one.clone(); 51] }), "anyOf.50.test"),
        (json!({ "allOf": [one, plain("IS", json!([]))] }), "allOf.1.test.values"),
        (json!({ "allOf": [one, plain("IS", json!([" "]))] }), "allOf.1.test.values.0"),
        (plain("IS", json!(["a", "b"])), "test.values"),
        (plain("IS", Value::Null), "test.values"),
        (plain("IS", json!(["x".repeat(501)])), "test.values.0"),
        (plain("CONTAINS", json!(["a\u{202e}b"])), "test.values.0"),
        (plain("IS_EMPTY", json!(["x"])), "test.values"),
        (plain("IS_ANY_OF", json!([])), "test.values"),
        (plain("IS_ANY_OF", json!(many(101))), "test.values"),
        (plain("IS_ANY_OF", json!(["a", ""])), "test.values.1"),
        (plain("GREATER", json!(["many"])), "test.values.0"),
        (plain("GREATER", json!(["1,000"])), "test.values.0"),
        (plain("LESS", json!(["2026-02-30"])), "test.values.0"),
        (with("COMPANY_NAME", json!("employees")), "test.attribute"),
        (with("COMPANY_ATTRIBUTE", Value::Null), "test.attribute"),
        (with("PERSON_ATTRIBUTE", json!(" ")), "test.attribute"),
        (with("PERSON_ATTRIBUTE", json!("x".repeat(65))), "test.attribute"),
    ]
}

on_both! {
    async fn a_condition_that_makes_no_sense_is_refused(test: Test) {
        let agent = test.agent("Grace").await;
        let made = create(&test, france(&agent, "French")).await.data("/createRoutingRule");
        for (condition, field) in bad_conditions() {
            let field = format!("input.condition.{field}");
            let mut input = france(&agent, "Wrong");
            input["condition"] = condition.clone();
            let answer = create(&test, input).await;
            let found = (answer.code(), answer.field());
            let found_deeper = nested(4) == condition;
            if found_deeper {
                let deep = "input.condition.anyOf.0.allOf.0.anyOf.0.allOf";
                assert_eq!(found, ("BAD_USER_INPUT", deep), "{condition}");
                continue;
            }
            assert_eq!(found, ("BAD_USER_INPUT", field.as_str()), "{condition}");
            let change = json!({ "ruleId": made["id"], "name": "Wrong", "condition": condition });
            let answer = update(&test, change).await;
            assert_eq!((answer.code(), answer.field()), ("BAD_USER_INPUT", field.as_str()));
        }
        assert_eq!(rules(&test).await, json!([made]), "nothing changed");
        let mut input = france(&agent, "Deep");
        input["condition"] = nested(3);
        create(&test, input).await.data("/createRoutingRule");
        let mut input = france(&agent, "Wide");
        input["condition"] = json!({ "anyOf":
            vec![test_of("COMPANY_NAME", "IS_ANY_OF", json!(vec!["x"; 100])); 50] });
        create(&test, input).await.data("/createRoutingRule");
        // What the schema itself refuses: two kinds at once, none, and words that it does not have.
        for condition in [
            json!({ "allOf": [], "test": null }),
            json!({}),
            json!({ "test": { "field": "PERSON_SHOE_SIZE", "operator": "IS", "values": ["1"] } }),
            json!({ "test": { "field": "COMPANY_NAME", "operator": "IS", "values": [1] } }),
            json!("everybody"),
        ] {
            let mut input = france(&agent, "Wrong");
            input["condition"] = condition.clone();
            let answer = create(&test, input).await;
            assert_eq!(answer.code(), "BAD_USER_INPUT", "{condition}");
        }
        assert_eq!(rules(&test).await.as_array().map(Vec::len), Some(3));
    }
}

on_both! {
    async fn a_rule_names_agents_who_are_there(test: Test) {
        let (grace, gone) = (test.agent("Grace").await, test.agent("Gone").await);
        deactivate(&test, &gone).await;
        let unknown = "agt_00000000000000000000000000000000";
        let team = "tea_00000000000000000000000000000000";
        let made = create(&test, france(&grace, "French")).await.data("/createRoutingRule");
        let cases = [
            (json!({ "agentIds": [grace, gone] }), "input.agentIds.1"),
            (json!({ "agentIds": [unknown] }), "input.agentIds.0"),
            (json!({ "agentIds": [grace, made["id"]] }), "input.agentIds.1"),
            (json!({ "agentIds": [grace, grace] }), "input.agentIds.1"),
            (json!({ "agentIds": [] }), "input.agentIds"),
            (json!({ "agentIds": vec![&grace; 201] }), "input.agentIds"),
            (json!({ "agentIds": null, "teamId": team }), "input.teamId"),
            (json!({ "agentIds": null, "teamId": "Sales" }), "input.teamId"),
            (json!({ "teamId": team }), "input.teamId"),
            (json!({ "priority": 0 }), "input.priority"),
            (json!({ "priority": 1_000_001 }), "input.priority"),
            (json!({ "name": " " }), "input.name"),
            (json!({ "name": "x".repeat(101) }), "input.name"),
            (json!({ "description": "x".repeat(1001) }), "input.description"),
        ];
        for (change, field) in cases {
            let mut input = france(&grace, "Wrong");
            for (key, value) in change.as_object().unwrap() {
                input[key] = value.clone();
            }
            let answer = create(&test, input.clone()).await;
            assert_eq!((answer.code(), answer.field()), ("BAD_USER_INPUT", field), "{change}");
            input["ruleId"] = made["id"].clone();
            let answer = update(&test, input).await;
            assert_eq!((answer.code(), answer.field()), ("BAD_USER_INPUT", field), "{change}");
        }
        let mut neither = france(&grace, "Wrong");
        neither["agentIds"] = Value::Null;
        let answer = create(&test, neither).await;
        assert_eq!((answer.code(), answer.field()), ("BAD_USER_INPUT", "input.agentIds"));
        assert_eq!(rules(&test).await, json!([made]), "nothing changed");
        // Deactivated later, the agent still stands in the rule.
        deactivate(&test, &grace).await;
        assert_eq!(rules(&test).await, json!([made]));
    }
}

on_both! {
    async fn there_are_at_most_500_rules(test: Test) {
        let agent = test.agent("Grace").await;
        let mut input = france(&agent, "First");
        input["priority"] = 1_000_000.into();
        create(&test, input).await.data("");
        let sql = "INSERT INTO routing_rules (id, name, priority, active, condition, created_at) ";
        let rows: Vec<String> = (1..499).map(|index| {
            let id = match test.app.db.get_database_backend() {
                sea_orm::DbBackend::Postgres => format!("'{index:032x}'"),
                _ => format!("X'{index:032x}'"),
            };
            format!("({id}, 'n', 1, true, '{{\"all_of\":[]}}', '2027-01-04 08:00:00+00:00')")
        }).collect();
        let sql = format!("{sql} VALUES {}", rows.join(", "));
        sea_orm::ConnectionTrait::execute_unprepared(&test.app.db, &sql).await.unwrap();
        create(&test, france(&agent, "Last")).await.data("");
        let over = create(&test, france(&agent, "Too many")).await;
        assert_eq!(over.code(), "LIMIT_EXCEEDED");
        assert_eq!(rules(&test).await.as_array().map(Vec::len), Some(500));
    }
}

/// The snapshot, and how many statements it took.
async fn read(test: &Test) -> (Arc<Snapshot>, u64) {
    let before = test.statements.load(Ordering::SeqCst);
    let read = snapshot(&test.app).await.unwrap();
    (read, test.statements.load(Ordering::SeqCst) - before)
}

on_both! {
    async fn a_snapshot_is_read_anew_once_rules_change(test: Test) {
        let (grace, alan) = (test.agent("Grace").await, test.agent("Alan").await);
        let (empty, _) = read(&test).await;
        assert!(empty.rules.is_empty());
        let mut input = france(&grace, "French");
        input["agentIds"] = json!([grace, alan]);
        let id = id_of(&create(&test, input).await, "createRoutingRule").await;
        let (first, _) = read(&test).await;
        assert_eq!(first.rules.len(), 1);
        assert_eq!((first.rules[0].name.as_str(), first.rules[0].agents.len()), ("French", 2));
        assert!(empty.revision < first.revision);
        let (again, statements) = read(&test).await;
        assert!(Arc::ptr_eq(&first, &again), "nothing changed, so nothing was read");
        assert_eq!(statements, 1);

        let refused = update(&test, json!({ "ruleId": id, "agentIds": ["nobody"] })).await;
        assert_eq!(refused.code(), "BAD_USER_INPUT");
        assert!(Arc::ptr_eq(&first, &read(&test).await.0), "what was refused changes nothing");

        update(&test, json!({ "ruleId": id, "name": "Francophone" })).await.data("");
        assert_eq!(read(&test).await.0.rules[0].name, "Francophone");
        reorder(&test, json!([id])).await.data("");
        let (reordered, _) = read(&test).await;
        assert_eq!(reordered.rules[0].priority, 1);
        update(&test, json!({ "ruleId": id, "active": false })).await.data("");
        assert!(read(&test).await.0.rules.is_empty(), "rules that are passed over are not in it");
        update(&test, json!({ "ruleId": id, "active": true })).await.data("");
        assert_eq!(read(&test).await.0.rules.len(), 1);
        let delete = "mutation($id: ID!) { deleteRoutingRule(ruleId: $id) }";
        test.admin(delete, json!({ "id": id })).await.data("");
        assert!(read(&test).await.0.rules.is_empty());
    }
}

on_both! {
    async fn rules_are_for_those_who_may(test: Test) {
        let agent = test.agent("Grace").await;
        create(&test, france(&agent, "French")).await.data("");
        let viewer = test.key(Profile::MarketingUser).await;
        let seen = test.send(&viewer, "{ routingRules { name } }", json!({})).await;
        assert_eq!(seen.data("/routingRules/0/name"), "French");
        let query = "mutation($input: CreateRoutingRuleInput!) { createRoutingRule(input: $input) { id } }";
        let input = json!({ "input": france(&agent, "Mine") });
        assert_eq!(test.send(&viewer, query, input).await.code(), "FORBIDDEN");
        let own = test.token(&agent, 60).await;
        let rules = test.send(&own, "{ routingRules { name } }", json!({})).await;
        assert_eq!(rules.code(), "FORBIDDEN");
        let id = test.admin("{ routingRules { id } }", json!({})).await.data("/routingRules/0/id");
        let node = test.send(&own, "query($id: ID!) { node(id: $id) { id } }", json!({ "id": id })).await;
        assert_eq!(node.data("/node"), Value::Null);
    }
}

on_both! {
    async fn a_rule_names_a_team_in_place_of_agents(test: Test) {
        let grace = test.agent("Grace").await;
        let query = "mutation($members: [ID!]!) {
            createTeam(input: { name: \"Sales\", memberIds: $members }) { id } }";
        let team = test.admin(query, json!({ "members": [grace] })).await.data("/createTeam/id");
        let mut input = france(&grace, "French");
        input["agentIds"] = Value::Null;
        input["teamId"] = team.clone();
        let made = create(&test, input).await.data("/createRoutingRule");
        assert_eq!(made["team"], json!({ "id": team, "name": "Sales" }));
        assert_eq!(made["agents"], json!([]));
        let (read, _) = read(&test).await;
        let id = read.rules[0].team.unwrap();
        assert_eq!((read.teams[&id].name.as_str(), read.teams[&id].members.len()), ("Sales", 1));

        let change = json!({ "ruleId": made["id"], "agentIds": [grace] });
        let named = update(&test, change).await.data("/updateRoutingRule");
        assert_eq!((&named["team"], &named["agents"][0]["name"]), (&Value::Null, &json!("Grace")));
        let change = json!({ "ruleId": made["id"], "teamId": team });
        let back = update(&test, change).await.data("/updateRoutingRule");
        assert_eq!((&back["team"]["id"], &back["agents"]), (&team, &json!([])));
        assert_eq!(rules(&test).await, json!([back]));
    }
}
