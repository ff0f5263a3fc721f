//! Who gets a visitor: accounts, teams, rules, and turns that each queue counts by itself.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, UP).await
    }

    /// Turns are kept for the queue of all agents alone: there was no place for others before.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, DOWN).await
    }
}

const UP: &str = "\
CREATE TABLE accounts (
    id {uuid} NOT NULL PRIMARY KEY,
    name text NOT NULL,
    name_key text NOT NULL UNIQUE,
    owner_id {uuid} NOT NULL REFERENCES agents (id),
    created_at {instant} NOT NULL
)
--
CREATE INDEX accounts_by_owner ON accounts (owner_id)
--
CREATE TABLE account_domains (
    domain text NOT NULL PRIMARY KEY,
    account_id {uuid} NOT NULL REFERENCES accounts (id) ON DELETE CASCADE
)
--
CREATE INDEX account_domains_by_account ON account_domains (account_id)
--
CREATE TABLE teams (
    id {uuid} NOT NULL PRIMARY KEY,
    name text NOT NULL,
    name_key text NOT NULL UNIQUE,
    created_at {instant} NOT NULL
)
--
CREATE TABLE team_members (
    team_id {uuid} NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    agent_id {uuid} NOT NULL REFERENCES agents (id),
    place integer NOT NULL,
    PRIMARY KEY (team_id, agent_id)
)
--
CREATE INDEX team_members_by_agent ON team_members (agent_id)
--
CREATE TABLE routing_rules (
    id {uuid} NOT NULL PRIMARY KEY,
    name text NOT NULL,
    description text,
    priority integer NOT NULL,
    active {bool} NOT NULL,
    team_id {uuid} REFERENCES teams (id),
    condition {json} NOT NULL,
    created_at {instant} NOT NULL
)
--
CREATE INDEX routing_rules_by_priority ON routing_rules (priority, id)
--
CREATE TABLE routing_rule_agents (
    rule_id {uuid} NOT NULL REFERENCES routing_rules (id) ON DELETE CASCADE,
    agent_id {uuid} NOT NULL REFERENCES agents (id),
    place integer NOT NULL,
    PRIMARY KEY (rule_id, agent_id)
)
--
CREATE INDEX routing_rule_agents_by_agent ON routing_rule_agents (agent_id)
--
CREATE TABLE routing_state (
    id integer NOT NULL PRIMARY KEY CHECK (id = 1),
    revision bigint NOT NULL
)
--
INSERT INTO routing_state (id, revision) VALUES (1, 0)
--
CREATE TABLE fallback_messages (
    kind text NOT NULL,
    locale text NOT NULL,
    message text NOT NULL,
    offers_meeting {bool} NOT NULL,
    PRIMARY KEY (kind, locale)
)
--
CREATE TABLE queue_turns (
    queue_id text NOT NULL,
    agent_id {uuid} NOT NULL REFERENCES agents (id),
    last_turn bigint NOT NULL,
    finish bigint NOT NULL,
    PRIMARY KEY (queue_id, agent_id)
)
--
CREATE INDEX queue_turns_by_agent ON queue_turns (agent_id)
--
INSERT INTO queue_turns (queue_id, agent_id, last_turn, finish)
    SELECT 'all', id, last_turn, 0 FROM agents WHERE last_turn > 0
--
ALTER TABLE agents DROP COLUMN last_turn
--
ALTER TABLE queues ADD COLUMN virtual_time bigint NOT NULL DEFAULT 0
--
ALTER TABLE agents ADD COLUMN weight integer NOT NULL DEFAULT 1
--
ALTER TABLE bookings ADD COLUMN routing {json}";

const DOWN: &str = "\
ALTER TABLE bookings DROP COLUMN routing
--
ALTER TABLE agents DROP COLUMN weight
--
ALTER TABLE queues DROP COLUMN virtual_time
--
DELETE FROM queues WHERE id <> 'all'
--
ALTER TABLE agents ADD COLUMN last_turn bigint NOT NULL DEFAULT 0
--
UPDATE agents SET last_turn = COALESCE((SELECT t.last_turn FROM queue_turns t
    WHERE t.queue_id = 'all' AND t.agent_id = agents.id), 0)
--
DROP TABLE queue_turns
--
DROP TABLE fallback_messages
--
DROP TABLE routing_state
--
DROP TABLE routing_rule_agents
--
DROP TABLE routing_rules
--
DROP TABLE team_members
--
DROP TABLE teams
--
DROP TABLE account_domains
--
DROP TABLE accounts";
