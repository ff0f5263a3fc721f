//! What a file changes about what is there.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Problems;
use super::rows::Row;
use crate::store::account::{Holder, Model};

/// What the database has to do with the file.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Agents, by their e-mail address, lower-cased.
    pub(super) owners: HashMap<String, Owner>,
    /// Accounts that the file tells of, by their name, lower-cased.
    pub(super) accounts: HashMap<String, Model>,
    /// Their domains.
    pub(super) domains: HashMap<Uuid, Vec<String>>,
    /// Who has domains of the file.
    pub(super) holders: HashMap<String, Holder>,
}

/// An agent who can own accounts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner {
    pub(super) id: Uuid,
    pub(super) active: bool,
}

/// What is to be written, and what is wrong.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) put: Vec<Model>,
    pub(super) remove: Vec<String>,
    pub(super) add: Vec<(String, Uuid)>,
    pub(super) created: usize,
    pub(super) updated: usize,
    pub(super) unchanged: usize,
    pub(super) problems: Problems,
}

/// Compares rows with what is there. Whatever has a problem is neither made nor changed, nor counted so:
/// also one that was found when the row was read.
pub(super) fn plan(
    rows: Vec<Row>,
    known: Known,
    now: DateTime<Utc>,
    new_id: impl Fn() -> Uuid,
) -> Plan {
    let mut plan = Plan::default();
    // Each gets the domains of its own line, so what it had is free for others of the file.
    let rewritten: HashSet<Uuid> = known.accounts.values().map(|account| account.id).collect();
    for row in rows {
        let before = known.accounts.get(&row.key);
        let owner = plan.owner(&row, &known.owners);
        let taken = plan.taken(&row, before, &known.holders, &rewritten);
        let Some(owner) = owner.filter(|_| !taken && row.is_sound) else { continue };
        match before {
            Some(before) => {
                let domains = known.domains.get(&before.id).map_or(&[][..], Vec::as_slice);
                plan.change(row, before, domains, owner);
            }
            None => plan.make(row, owner, now, new_id()),
        }
    }
    plan
}

impl Plan {
    fn owner(&mut self, row: &Row, owners: &HashMap<String, Owner>) -> Option<Uuid> {
        if row.owner.is_empty() {
            return None;
        }
        let problem = match owners.get(&row.owner) {
            Some(owner) if owner.active => return Some(owner.id),
            Some(_) => format!("the agent {} is not active", row.owner),
            None => format!("there is no agent {}", row.owner),
        };
        self.problems.add(row.line, Some("owner"), problem);
        None
    }

    /// Whether another account, of which the file says nothing, has one of the row's domains.
    fn taken(
        &mut self,
        row: &Row,
        before: Option<&Model>,
        holders: &HashMap<String, Holder>,
        rewritten: &HashSet<Uuid>,
    ) -> bool {
        let mut taken = false;
        for domain in &row.domains {
            let Some(holder) = holders.get(domain) else { continue };
            let is_own = before.is_some_and(|before| before.id == holder.account_id);
            if is_own || rewritten.contains(&holder.account_id) {
                continue;
            }
            taken = true;
            let message = format!("{domain} belongs to the account {}", holder.name);
            self.problems.add(row.line, Some("domains"), message);
        }
        taken
    }

    fn make(&mut self, row: Row, owner_id: Uuid, created_at: DateTime<Utc>, id: Uuid) {
        self.created += 1;
        self.add.extend(row.domains.into_iter().map(|domain| (domain, id)));
        let Row { name, key, .. } = row;
        self.put.push(Model { id, name, name_key: key, owner_id, created_at });
    }

    fn change(&mut self, row: Row, before: &Model, domains: &[String], owner_id: Uuid) {
        let dropped = domains.iter().filter(|domain| !row.domains.contains(domain));
        let dropped: Vec<String> = dropped.cloned().collect();
        let added = row.domains.into_iter().filter(|domain| !domains.contains(domain));
        let added: Vec<(String, Uuid)> = added.map(|domain| (domain, before.id)).collect();
        let is_same = row.name == before.name && owner_id == before.owner_id;
        if is_same && dropped.is_empty() && added.is_empty() {
            self.unchanged += 1;
            return;
        }
        self.updated += 1;
        self.remove.extend(dropped);
        self.add.extend(added);
        if !is_same {
            self.put.push(Model { name: row.name, owner_id, ..before.clone() });
        }
    }
}
