//! What documents cost, in points: about a microsecond of one processor each.
//!
//! async-graphql counts complexity while it validates, and shows it to extensions alone. A registered extension
//! costs a boxed future for each field, so a second schema has one, and executes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextValidation};
use async_graphql::parser::types::{
    ExecutableDocument, Field, OperationType, Selection, SelectionSet,
};
use async_graphql::{Request, ServerError, ValidationResult, Value, Variables};
use futures_util::FutureExt;

use super::Schema;
use crate::app::App;
use crate::http::{Cost, Pricing};
use crate::service::slots::DAYS_OF_ONE_READ as MOST_DAYS;

/// What a field of Query costs besides what it answers: a read of the database.
const QUERY: u64 = 100;
/// What a field of Mutation costs besides: a transaction.
const MUTATION: u64 = 1_000;
/// What validating costs that comes to nothing, for each selection.
const INVALID: u64 = 10;
/// A field of the introspection costs a tenth of what one of ours does.
const INTROSPECTED: u64 = 10;
/// How many lists of types or fields lie within each other at most. Each leads to all types again, so their
/// number grows with every level; tools need one.
const MOST_LISTS: u32 = 2;

/// What documents of this schema cost.
pub(crate) struct Prices {
    app: Arc<App>,
    counting: Schema,
}

impl Prices {
    pub(crate) fn new(app: &Arc<App>) -> Self {
        let counting = super::builder().extension(Counting).finish();
        Self { app: Arc::clone(app), counting }
    }

    /// The complexity of the costliest of a document's operations; `None` where one is not valid.
    fn complexity(&self, document: &ExecutableDocument, variables: &Variables) -> Option<u64> {
        let names = document.operations.iter().map(|(name, _)| name.map(ToString::to_string));
        names
            .map(|name| self.complexity_of(document, name, variables))
            .try_fold(0, |most, one| Some(one?.max(most)))
    }

    fn complexity_of(
        &self,
        document: &ExecutableDocument,
        operation: Option<String>,
        variables: &Variables,
    ) -> Option<u64> {
        let counted = Arc::new(AtomicU64::new(u64::MAX));
        let mut request =
            Request::new("").variables(variables.clone()).data(Counted(Arc::clone(&counted)));
        request.set_parsed_query(document.clone());
        request.operation_name = operation;
        // Validation waits for nothing, and nothing comes after it.
        self.counting.execute(request).now_or_never()?;
        Some(counted.load(Ordering::Relaxed)).filter(|counted| *counted != u64::MAX)
    }
}

impl Pricing for Prices {
    fn cost(&self, document: &ExecutableDocument, variables: &Variables) -> Cost {
        let walk = Walk { document };
        let mut points = 0_u64;
        let mut introspection = 0_u64;
        for (_, operation) in document.operations.iter() {
            let each = match operation.node.ty {
                OperationType::Mutation => MUTATION,
                OperationType::Query | OperationType::Subscription => QUERY,
            };
            walk.fields(&operation.node.selection_set.node, &mut |field| match field
                .name
                .node
                .as_str()
            {
                "__typename" => {}
                "__schema" | "__type" => {
                    introspection = introspection.saturating_add(walk.introspection(field));
                }
                name => points = points.saturating_add(each + extra(name)),
            });
        }
        let complexity = self.complexity(document, variables);
        let lasts = complexity.is_some();
        let complexity = complexity.unwrap_or_else(|| INVALID * walk.selections());
        let weight = complexity.saturating_add(introspection);
        Cost { points: points.saturating_add(weight), weight, lasts }
    }

    fn expected(&self, document: &ExecutableDocument, variables: &Variables) -> u64 {
        let walk = Walk { document };
        let mut expected = 0_u64;
        for (_, operation) in document.operations.iter() {
            if operation.node.ty != OperationType::Query {
                continue;
            }
            walk.fields(&operation.node.selection_set.node, &mut |field| {
                let looked = match field.name.node.as_str() {
                    "slots" => looked_at(field, variables, self.app.agents_seen()),
                    "explainRouting" => self.app.agents_seen().saturating_mul(MOST_DAYS),
                    _ => 0,
                };
                expected = expected.saturating_add(looked);
            });
        }
        expected
    }
}

/// What a field costs besides, for what it does apart from reading or writing rows.
fn extra(name: &str) -> u64 {
    match name {
        // Templates are parsed and rendered, an agent's whole schedule is read.
        "previewInvite" | "setInviteTemplate" | "whyUnavailable" => 1_000,
        // A file of up to a request's size, compared with all accounts.
        "importAccounts" => 50_000,
        _ => 0,
    }
}

/// Agents and days that a field `slots` is expected to look at, where all agents are so many.
fn looked_at(field: &Field, variables: &Variables, agents: u64) -> u64 {
    let Some(input) = field.get_argument("input") else { return 0 };
    // Most often it is a variable, which need not be copied to look at it.
    let text = input.node.to_string();
    if let Some(name) = text.strip_prefix('$') {
        return variables.get(name).map_or(0, |input| looked_at_by(input, agents));
    }
    let variable = |name| Ok::<_, ()>(variables.get(&name).cloned().unwrap_or_default());
    let input = input.node.clone().into_const_with(variable);
    input.map_or(0, |input| looked_at_by(&input, agents))
}

fn looked_at_by(input: &Value, agents: u64) -> u64 {
    let Value::Object(input) = input else { return 0 };
    let date = |name: &str| match input.get(name)? {
        Value::String(date) => date.parse::<chrono::NaiveDate>().ok(),
        _ => None,
    };
    let days = date("from").zip(date("to")).map(|(from, to)| (to - from).num_days() + 1);
    let days = days.and_then(|days| u64::try_from(days).ok()).unwrap_or(MOST_DAYS).min(MOST_DAYS);
    match input.get("route") {
        Some(Value::Object(route)) if route.contains_key("agentId") => days,
        _ => agents.saturating_mul(days),
    }
}

/// How many entries a list of the introspection has at most; of all types, on average.
fn entries(name: &str, of_all: bool) -> u64 {
    match (name, of_all) {
        ("types", _) => 400,
        ("fields" | "inputFields" | "enumValues", true) => 8,
        ("fields" | "inputFields" | "enumValues", false) => 80,
        ("possibleTypes" | "interfaces", true) => 2,
        ("possibleTypes" | "interfaces", false) => 20,
        ("directives" | "locations", _) => 8,
        ("args", _) => 2,
        _ => 1,
    }
}

/// Walks a document whose fragments do not spread themselves, and whose selections were counted before.
struct Walk<'a> {
    document: &'a ExecutableDocument,
}

impl<'a> Walk<'a> {
    /// Calls for each field of a selection set, through fragments.
    fn fields(&self, set: &'a SelectionSet, each: &mut impl FnMut(&'a Field)) {
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => each(&field.node),
                Selection::InlineFragment(inline) => {
                    self.fields_below(&inline.node.selection_set.node, each);
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    if let Some(fragment) = self.document.fragments.get(name) {
                        self.fields_below(&fragment.node.selection_set.node, each);
                    }
                }
            }
        }
    }

    /// The same, with a type that does not grow with each level.
    fn fields_below(&self, set: &'a SelectionSet, each: &mut dyn FnMut(&'a Field)) {
        self.fields(set, &mut |field| each(field));
    }

    /// What an introspection field costs.
    fn introspection(&self, field: &'a Field) -> u64 {
        self.nodes(field, 0, false) / INTROSPECTED + 1
    }

    /// What an introspection field answers, in fields, within so many lists. `of_all` says that it is asked of
    /// all types, so that what counts is the mean and not the most.
    fn nodes(&self, field: &'a Field, lists: u32, of_all: bool) -> u64 {
        let name = field.name.node.as_str();
        let is_list = matches!(name, "fields" | "inputFields" | "possibleTypes" | "interfaces");
        let lists = lists + u32::from(is_list);
        if MOST_LISTS < lists {
            return u64::MAX;
        }
        let mut below = 1_u64;
        self.fields_below(&field.selection_set.node, &mut |field| {
            below = below.saturating_add(self.nodes(field, lists, name == "types"));
        });
        below.saturating_mul(entries(name, of_all))
    }

    fn selections(&self) -> u64 {
        let mut count = 0;
        for (_, operation) in self.document.operations.iter() {
            self.count(&operation.node.selection_set.node, &mut count);
        }
        count
    }

    fn count(&self, set: &'a SelectionSet, count: &mut u64) {
        self.fields_below(set, &mut |field| {
            *count += 1;
            self.count(&field.selection_set.node, count);
        });
    }
}

/// Where the extension puts what it counts.
struct Counted(Arc<AtomicU64>);

struct Counting;

impl ExtensionFactory for Counting {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for Counting {
    /// Keeps the complexity, and ends the operation there.
    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let result = next.run(ctx).await?;
        if let Some(Counted(counted)) = ctx.data_opt::<Counted>() {
            let complexity = u64::try_from(result.complexity).unwrap_or(u64::MAX);
            counted.store(complexity, Ordering::Relaxed);
        }
        Err(vec![ServerError::new("counted", None)])
    }
}
