//! Conditions against a naive oracle, and edges.

use proptest::prelude::*;
use proptest::sample::select;

use super::{Condition, Field, Operator, Test, matches};
use crate::store::booking::{Attribute, Company, Person};

const FIELDS: [Field; 12] = [
    Field::PersonEmail,
    Field::PersonEmailDomain,
    Field::PersonFirstName,
    Field::PersonLastName,
    Field::PersonPhone,
    Field::PersonJobTitle,
    Field::PersonAttribute,
    Field::CompanyName,
    Field::CompanyDomain,
    Field::CompanyIndustry,
    Field::CompanyCountry,
    Field::CompanyAttribute,
];

const OPERATORS: [Operator; 8] = [
    Operator::Is,
    Operator::IsNot,
    Operator::IsAnyOf,
    Operator::Contains,
    Operator::StartsWith,
    Operator::IsEmpty,
    Operator::Greater,
    Operator::Less,
];

/// Few words, so that they meet often.
const WORDS: [&str; 17] = [
    "",
    "  ",
    "a",
    "A",
    " a ",
    "ab",
    "Äb",
    "äB",
    "7",
    "-7",
    "07.50",
    "7.5",
    "70",
    "2026-01-09",
    "2026-01-10",
    "2026-1-9",
    "ada@a.example",
];

fn word() -> impl Strategy<Value = String> {
    select(WORDS.to_vec()).prop_map(str::to_owned)
}

fn maybe() -> impl Strategy<Value = Option<String>> {
    prop::option::of(word())
}

fn attributes() -> impl Strategy<Value = Vec<Attribute>> {
    prop::collection::btree_map(select(vec!["x", "X", "y"]), word(), 0..3).prop_map(|map| {
        map.into_iter().map(|(name, value)| Attribute { name: name.to_owned(), value }).collect()
    })
}

fn person() -> impl Strategy<Value = Person> {
    let names = (word(), maybe(), maybe(), maybe(), maybe(), attributes());
    names.prop_map(|(email, first_name, last_name, phone, job_title, attributes)| Person {
        email,
        first_name,
        last_name,
        phone,
        job_title,
        attributes,
    })
}

fn company() -> impl Strategy<Value = Company> {
    (maybe(), maybe(), maybe(), maybe(), attributes()).prop_map(
        |(name, domain, industry, country, attributes)| Company {
            name,
            domain,
            industry,
            country,
            attributes,
        },
    )
}

fn test() -> impl Strategy<Value = Condition> {
    let name = select(vec!["x", "X", "y"]);
    let values = prop::collection::vec(word(), 3);
    (select(FIELDS.to_vec()), name, select(OPERATORS.to_vec()), values).prop_map(
        |(field, name, operator, mut values)| {
            values.truncate(match operator {
                Operator::IsEmpty => 0,
                Operator::IsAnyOf => 3,
                _ => 1,
            });
            let attribute = field.is_attribute().then(|| name.to_owned());
            Condition::Test(Test { field, attribute, operator, values })
        },
    )
}

fn condition() -> impl Strategy<Value = Condition> {
    test().prop_recursive(3, 20, 3, |inner| {
        let group = prop::collection::vec(inner, 1..4);
        prop_oneof![group.clone().prop_map(Condition::AllOf), group.prop_map(Condition::AnyOf),]
    })
}

/// What a test says, written down again without care for speed.
fn naive(test: &Test, person: Option<&Person>, company: Option<&Company>) -> bool {
    let of_person = |get: fn(&Person) -> Option<String>| person.and_then(get);
    let of_company = |get: fn(&Company) -> Option<String>| company.and_then(get);
    let named = |list: Vec<Attribute>| {
        list.into_iter().find(|a| Some(&a.name) == test.attribute.as_ref()).map(|a| a.value)
    };
    let said = match test.field {
        Field::PersonEmail => of_person(|p| Some(p.email.clone())),
        Field::PersonEmailDomain => of_person(|p| {
            let parts: Vec<&str> = p.email.split('@').collect();
            (1 < parts.len()).then(|| parts[parts.len() - 1].to_owned())
        }),
        Field::PersonFirstName => of_person(|p| p.first_name.clone()),
        Field::PersonLastName => of_person(|p| p.last_name.clone()),
        Field::PersonPhone => of_person(|p| p.phone.clone()),
        Field::PersonJobTitle => of_person(|p| p.job_title.clone()),
        Field::PersonAttribute => person.and_then(|p| named(p.attributes.clone())),
        Field::CompanyName => of_company(|c| c.name.clone()),
        Field::CompanyDomain => of_company(|c| c.domain.clone()),
        Field::CompanyIndustry => of_company(|c| c.industry.clone()),
        Field::CompanyCountry => of_company(|c| c.country.clone()),
        Field::CompanyAttribute => company.and_then(|c| named(c.attributes.clone())),
    };
    let said = said.map(|said| folded(test.field, &said)).unwrap_or_default();
    let values: Vec<String> = test.values.iter().map(|v| folded(test.field, v)).collect();
    let order = |wanted: fn(f64, f64) -> bool| {
        let number =
            |text: &str| if text.matches('-').count() < 2 { text.parse().ok() } else { None };
        let date = |text: &str| {
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            if text.len() == 10 && digits.len() == 8 { digits.parse().ok() } else { None }
        };
        let both = |read: &dyn Fn(&str) -> Option<f64>| read(&said).zip(read(&values[0]));
        both(&number).or_else(|| both(&date)).is_some_and(|(a, b)| wanted(a, b))
    };
    match test.operator {
        Operator::IsEmpty => said.is_empty(),
        Operator::IsNot => said != values[0] || said.is_empty(),
        _ if said.is_empty() => false,
        Operator::Is => said == values[0],
        Operator::IsAnyOf => values.contains(&said),
        Operator::Contains => said.contains(&values[0]),
        Operator::StartsWith => said.starts_with(&values[0]),
        Operator::Greater => order(|a, b| a > b),
        Operator::Less => order(|a, b| a < b),
    }
}

fn folded(field: Field, text: &str) -> String {
    let text = text.trim().to_lowercase();
    let is_domain = matches!(field, Field::PersonEmailDomain | Field::CompanyDomain);
    if is_domain { text.replace("äb", "xn--b-yfa") } else { text }
}

fn oracle(condition: &Condition, person: Option<&Person>, company: Option<&Company>) -> bool {
    match condition {
        Condition::AllOf(all) => all.iter().filter(|c| !oracle(c, person, company)).count() == 0,
        Condition::AnyOf(any) => 0 < any.iter().filter(|c| oracle(c, person, company)).count(),
        Condition::Test(test) => naive(test, person, company),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn a_condition_holds_where_the_oracle_says(
        condition in condition(),
        person in prop::option::of(person()),
        company in prop::option::of(company()),
    ) {
        let (person, company) = (person.as_ref(), company.as_ref());
        let expected = oracle(&condition, person, company);
        prop_assert_eq!(matches(&condition, person, company), expected);
    }

    #[test]
    fn a_condition_is_kept_as_json(condition in condition()) {
        let json = serde_json::to_value(&condition).unwrap();
        prop_assert_eq!(serde_json::from_value::<Condition>(json).unwrap(), condition);
    }

    #[test]
    fn is_not_is_the_opposite_of_is(
        condition in test(),
        person in prop::option::of(person()),
        company in prop::option::of(company()),
    ) {
        let Condition::Test(test) = condition else { unreachable!("a test") };
        let value = "äb".to_owned();
        let with = |operator| Condition::Test(Test { operator, values: vec![value.clone()], ..test.clone() });
        let holds = |operator| matches(&with(operator), person.as_ref(), company.as_ref());
        prop_assert_ne!(holds(Operator::Is), holds(Operator::IsNot));
    }
}

fn attribute_is(operator: Operator, said: &str, value: &str) -> bool {
    let company = Company {
        attributes: vec![Attribute { name: "employees".to_owned(), value: said.to_owned() }],
        ..Company::default()
    };
    let condition = Condition::Test(Test {
        field: Field::CompanyAttribute,
        attribute: Some("employees".to_owned()),
        operator,
        values: vec![value.to_owned()],
    });
    matches(&condition, None, Some(&company))
}

#[test]
fn numbers_compare_exactly_and_what_is_none_never_matches() {
    let greater = |said, value| attribute_is(Operator::Greater, said, value);
    let less = |said, value| attribute_is(Operator::Less, said, value);
    for (small, large) in [
        ("9", "10"),
        ("-10", "-9"),
        ("-0.5", "0"),
        ("0", "0.000000000000000000000000000001"),
        ("99999999999999999999999999999998", "99999999999999999999999999999999"),
        ("1.09", "1.1"),
        ("2025-12-31", "2026-01-01"),
    ] {
        assert!(greater(large, small) && !greater(small, large), "{large} > {small}");
        assert!(less(small, large) && !less(large, small), "{small} < {large}");
    }
    for (one, same) in [("10", "10.00"), ("-0", "0"), ("+7", "007"), ("0.50", "0.5")] {
        assert!(!greater(one, same) && !less(one, same), "{one} = {same}");
    }
    for said in [
        "",
        "many",
        "1,000",
        "1e9",
        "0x10",
        "١٠",
        ".5",
        "5.",
        "--5",
        "5 000",
        "2026-11-28",
        "2026-02-30",
        "∞",
        "NaN",
        "inf",
    ] {
        assert!(!greater(said, "1") && !less(said, "1"), "{said:?} is no number");
    }
    assert!(!greater("2027", "2026-11-28") && !less("2027", "2026-11-28"));
}

#[test]
fn text_compares_in_lower_case_whatever_the_script() {
    for (said, value) in
        [("STRASSE", "strasse"), ("ÉCOLE", "école"), ("ОБЛАКО", "Облако"), (" Ada ", "ada")]
    {
        assert!(attribute_is(Operator::Is, said, value), "{said} is {value}");
    }
    assert!(!attribute_is(Operator::Is, "ecole", "école"));
}

#[test]
fn text_is_found_where_the_operator_says() {
    for (operator, value, expected) in [
        (Operator::Is, "head of sales", true),
        (Operator::Is, "head", false),
        (Operator::IsNot, "head", true),
        (Operator::IsNot, "head of sales", false),
        (Operator::IsAnyOf, "head of sales", true),
        (Operator::IsAnyOf, "sales", false),
        (Operator::Contains, "of sales", true),
        (Operator::Contains, "head of sales, EMEA", false),
        (Operator::StartsWith, "head of", true),
        (Operator::StartsWith, "of sales", false),
        (Operator::StartsWith, "head of sales, EMEA", false),
    ] {
        assert_eq!(
            attribute_is(operator, "Head of Sales", value),
            expected,
            "{operator:?} {value}"
        );
    }
}

#[test]
fn a_domain_is_the_same_in_either_form() {
    let holds = |operator, said: &str, value: &str| {
        let person = Person { email: format!("ada@{said}"), ..Person::default() };
        let condition = Condition::Test(Test {
            field: Field::PersonEmailDomain,
            attribute: None,
            operator,
            values: vec![value.to_owned()],
        });
        matches(&condition, Some(&person), None)
    };
    assert!(holds(Operator::Is, "xn--bcher-kva.example", "Bücher.example"));
    assert!(holds(Operator::Is, "BÜCHER.example", "xn--bcher-kva.example"));
    assert!(holds(Operator::Is, "Example.COM", "example.com"));
    assert!(!holds(Operator::Is, "mail.example.com", "example.com"));
    assert!(holds(Operator::Contains, "mail.example.com", ".example.com"));
}

#[test]
fn a_visitor_who_says_nothing_has_empty_fields() {
    for field in FIELDS {
        for (operator, expected) in OPERATORS
            .map(|operator| (operator, matches!(operator, Operator::IsEmpty | Operator::IsNot)))
        {
            let values = vec!["1".to_owned()];
            let attribute = field.is_attribute().then(|| "x".to_owned());
            let test = Condition::Test(Test { field, attribute, operator, values });
            assert_eq!(matches(&test, None, None), expected, "{field:?} {operator:?}");
        }
    }
}
