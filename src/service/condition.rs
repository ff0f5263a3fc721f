//! Conditions of routing rules, checked before they are kept.

use super::{Error, Result, text};
use crate::routing::{Condition, Operator, Test, ordinal};

/// How deep groups can stand in each other.
pub const MOST_NESTED: usize = 3;
/// Most tests of one condition.
pub const MOST_TESTS: usize = 50;
/// Most values of one test.
pub const MOST_VALUES: usize = 100;
/// Longest name of an attribute, in characters: as long as visitors' can be.
const ATTRIBUTE_CHARS: usize = 64;
/// Longest value, in characters: as long as visitors' can be.
const VALUE_CHARS: usize = 500;

/// Checks a condition. `field` is where it stands in the input.
///
/// # Errors
/// `BAD_USER_INPUT` naming the part at fault.
pub fn condition(field: &str, given: Condition) -> Result<Condition> {
    Checker { tests: 0 }.condition(field, given, 0)
}

struct Checker {
    tests: usize,
}

impl Checker {
    fn condition(&mut self, field: &str, given: Condition, depth: usize) -> Result<Condition> {
        match given {
            Condition::AllOf(all) => {
                self.group(&format!("{field}.allOf"), all, depth + 1).map(Condition::AllOf)
            }
            Condition::AnyOf(any) => {
                self.group(&format!("{field}.anyOf"), any, depth + 1).map(Condition::AnyOf)
            }
            Condition::Test(test) => {
                let field = format!("{field}.test");
                self.tests += 1;
                if MOST_TESTS < self.tests {
                    let message = format!("a condition has at most {MOST_TESTS} tests");
                    return Err(Error::bad_input(field, message));
                }
                checked(&field, test).map(Condition::Test)
            }
        }
    }

    fn group(
        &mut self,
        field: &str,
        given: Vec<Condition>,
        depth: usize,
    ) -> Result<Vec<Condition>> {
        if MOST_NESTED < depth {
            let message = format!("groups can be nested {MOST_NESTED} deep, and this is one more");
            return Err(Error::bad_input(field, message));
        }
        if given.is_empty() {
            return Err(Error::bad_input(field, format!("{field} must not be empty")));
        }
        let each = given.into_iter().enumerate();
        each.map(|(index, one)| self.condition(&format!("{field}.{index}"), one, depth)).collect()
    }
}

fn checked(field: &str, test: Test) -> Result<Test> {
    let attribute = attribute(&format!("{field}.attribute"), &test)?;
    let at = format!("{field}.values");
    let (least, most) = match test.operator {
        Operator::IsEmpty => (0, 0),
        Operator::IsAnyOf => (1, MOST_VALUES),
        _ => (1, 1),
    };
    let count = test.values.len();
    if !(least..=most).contains(&count) {
        let allowed = match (least, most) {
            (0, 0) => "no values".to_owned(),
            (1, 1) => "one value".to_owned(),
            _ => format!("{least} to {most} values"),
        };
        return Err(Error::bad_input(&at, format!("this operator takes {allowed}, not {count}")));
    }
    let values = test.values.iter().enumerate();
    let values = values.map(|(index, value)| self::value(&format!("{at}.{index}"), &test, value));
    Ok(Test { attribute, values: values.collect::<Result<_>>()?, ..test })
}

fn attribute(field: &str, test: &Test) -> Result<Option<String>> {
    let given = text::optional(field, test.attribute.as_deref(), ATTRIBUTE_CHARS)?;
    match (test.field.is_attribute(), given) {
        (true, None) => Err(Error::bad_input(field, format!("{field} must name the attribute"))),
        (false, Some(_)) => {
            let message = format!("{field} goes with PERSON_ATTRIBUTE and COMPANY_ATTRIBUTE alone");
            Err(Error::bad_input(field, message))
        }
        (_, given) => Ok(given),
    }
}

fn value(field: &str, test: &Test, value: &str) -> Result<String> {
    let value = text::required(field, value, VALUE_CHARS)?;
    let orders = matches!(test.operator, Operator::Greater | Operator::Less);
    if orders && ordinal(&value).is_none() {
        let message = format!("{field} must be a number, e.g. 12.5, or a date, e.g. 2026-11-28");
        return Err(Error::bad_input(field, message));
    }
    Ok(value)
}
