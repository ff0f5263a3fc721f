//! The schema holds the public contract that frontends are written against.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    FieldDefinition, InputValueDefinition, TypeDefinition, TypeKind, TypeSystemDefinition,
};

const SCHEMA: &str = include_str!("../../schema.graphql");

#[test]
fn the_contract_is_contained_in_the_schema() {
    match contract() {
        Some(path) => {
            let text = std::fs::read_to_string(&path).unwrap();
            let missing = missing(&text, SCHEMA);
            assert!(missing.is_empty(), "schema.graphql lacks:\n{}", missing.join("\n"));
        }
        None if std::env::var("CI").is_ok_and(|ci| ci == "true") => {
            panic!("shared/contract.graphql is not found; FRONTDESK_CONTRACT can name it")
        }
        None => eprintln!("not run: shared/contract.graphql is not found"),
    }
}

#[test]
fn what_the_schema_lacks_is_named() {
    check("type A { b: Int }", "type A { b: Int c: Int }", "");
    check("type A { b: Int }", "type A { b: Int! }", "A.b is Int!, not Int");
    check("type A { b: Int }", "type B { b: Int }", "A");
    check("type A { b: Int }", "type A { c: Int }", "A.b");
    check("type A { b(c: Int): Int }", "type A { b(c: Int!): Int }", "A.b(c) is Int!, not Int");
    check("type A { b: Int }", "type A { b(c: Int! = 1, d: Int): Int }", "");
    check("type A { b: Int }", "type A { b(c: Int!): Int }", "A.b(c) must be optional");
    check("input A { b: Int }", "input A { b: Int c: Int! }", "A.c must be optional");
    check("input A @oneOf { b: Int }", "input A { b: Int }", "A @oneOf");
    check("enum A { B C }", "enum A { B }", "A.C");
    check("union A = B | C", "union A = B", "A = C");
    check("type A implements I { b: Int }", "type A { b: Int }", "A implements I");
    check("scalar A", "enum A { B }", "A is of another kind");
}

#[track_caller]
fn check(contract: &str, schema: &str, expected: &str) {
    assert_eq!(missing(contract, schema).join("; "), expected);
}

/// Where the contract stands: named, or in a `shared` directory beside one of the project's parents.
fn contract() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("FRONTDESK_CONTRACT") {
        return Some(path.into());
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = here.ancestors().map(|parent| parent.join("shared/contract.graphql"));
    found.into_iter().find(|path| path.is_file())
}

type Types = BTreeMap<String, TypeDefinition>;

fn types(text: &str) -> Types {
    let document = parse_schema(text).unwrap();
    let of_definition = |definition| match definition {
        TypeSystemDefinition::Type(ty) => Some((ty.node.name.node.to_string(), ty.node)),
        _ => None,
    };
    document.definitions.into_iter().filter_map(of_definition).collect()
}

/// What of `contract` is not in `schema`, a line each.
fn missing(contract: &str, schema: &str) -> Vec<String> {
    let (contract, schema) = (types(contract), types(schema));
    let mut found = Vec::new();
    for (name, wanted) in &contract {
        match schema.get(name) {
            Some(there) => compare(name, wanted, there, &mut found),
            None => found.push(name.clone()),
        }
    }
    found
}

fn compare(name: &str, wanted: &TypeDefinition, there: &TypeDefinition, found: &mut Vec<String>) {
    for directive in &wanted.directives {
        let directive = &directive.node.name.node;
        if !there.directives.iter().any(|other| other.node.name.node == *directive) {
            found.push(format!("{name} @{directive}"));
        }
    }
    match (&wanted.kind, &there.kind) {
        (TypeKind::Scalar, TypeKind::Scalar) => {}
        (TypeKind::Object(wanted), TypeKind::Object(there)) => {
            let names = |of: &[async_graphql::Positioned<async_graphql::Name>]| {
                of.iter().map(|name| name.node.to_string()).collect::<Vec<_>>()
            };
            let implemented = names(&there.implements);
            let lacking = names(&wanted.implements).into_iter();
            let lacking = lacking.filter(|interface| !implemented.contains(interface));
            found.extend(lacking.map(|interface| format!("{name} implements {interface}")));
            let wanted = wanted.fields.iter().map(|field| &field.node);
            compare_fields(name, wanted, &there.fields, found);
        }
        (TypeKind::Interface(wanted), TypeKind::Interface(there)) => {
            let wanted = wanted.fields.iter().map(|field| &field.node);
            compare_fields(name, wanted, &there.fields, found);
        }
        (TypeKind::Union(wanted), TypeKind::Union(there)) => {
            let is_there = |member| there.members.iter().any(|other| other.node == member);
            let members = wanted.members.iter().map(|member| member.node.clone());
            let lacking = members.filter(|member| !is_there(member.clone()));
            found.extend(lacking.map(|member| format!("{name} = {member}")));
        }
        (TypeKind::Enum(wanted), TypeKind::Enum(there)) => {
            let is_there = |value| there.values.iter().any(|other| other.node.value.node == value);
            let values = wanted.values.iter().map(|value| value.node.value.node.clone());
            let lacking = values.filter(|value| !is_there(value.clone()));
            found.extend(lacking.map(|value| format!("{name}.{value}")));
        }
        (TypeKind::InputObject(wanted), TypeKind::InputObject(there)) => {
            let path = |field: &str| format!("{name}.{field}");
            compare_inputs(path, &wanted.fields, &there.fields, found);
        }
        _ => found.push(format!("{name} is of another kind")),
    }
}

type Positioned<T> = async_graphql::Positioned<T>;

fn compare_fields<'a>(
    name: &str,
    wanted: impl Iterator<Item = &'a FieldDefinition>,
    there: &[Positioned<FieldDefinition>],
    found: &mut Vec<String>,
) {
    for wanted in wanted {
        let field = format!("{name}.{}", wanted.name.node);
        let Some(there) = there.iter().find(|other| other.node.name.node == wanted.name.node)
        else {
            found.push(field);
            continue;
        };
        if wanted.ty.node != there.node.ty.node {
            found.push(format!("{field} is {}, not {}", there.node.ty.node, wanted.ty.node));
        }
        let path = |argument: &str| format!("{field}({argument})");
        compare_inputs(path, &wanted.arguments, &there.node.arguments, found);
    }
}

/// Arguments, or fields of an input: those that were added must be optional.
fn compare_inputs(
    path: impl Fn(&str) -> String,
    wanted: &[Positioned<InputValueDefinition>],
    there: &[Positioned<InputValueDefinition>],
    found: &mut Vec<String>,
) {
    let named = |among: &[Positioned<InputValueDefinition>], name: &str| {
        among.iter().find(|other| other.node.name.node == name).map(|other| other.node.clone())
    };
    for wanted in wanted {
        let name = wanted.node.name.node.as_str();
        match named(there, name) {
            None => found.push(path(name)),
            Some(there) if there.ty.node != wanted.node.ty.node => {
                let (is, not) = (&there.ty.node, &wanted.node.ty.node);
                found.push(format!("{} is {is}, not {not}", path(name)));
            }
            Some(_) => {}
        }
    }
    for added in there {
        let name = added.node.name.node.as_str();
        let optional = added.node.ty.node.nullable || added.node.default_value.is_some();
        if named(wanted, name).is_none() && !optional {
            found.push(format!("{} must be optional", path(name)));
        }
    }
}
