//! Live chats: requests, the offers made for them, and browsers that take pushes.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, DOWN).await
    }
}

/// `chat_status` is what blocks and toggle say until `chat_status_until`; of agents that were there
/// before it is to be found out, since that is long past.
const UP: &str = "\
ALTER TABLE agents ADD COLUMN chat_limit integer NOT NULL DEFAULT 10
--
ALTER TABLE agents ADD COLUMN chat_status text NOT NULL DEFAULT 'UNAVAILABLE'
--
ALTER TABLE agents ADD COLUMN chat_status_until {instant} DEFAULT '1970-01-01T00:00:00+00:00'
--
ALTER TABLE agents ADD COLUMN notify_failed_actions {bool} NOT NULL DEFAULT false
--
CREATE INDEX agents_by_chat_status ON agents (chat_status_until) WHERE chat_status_until IS NOT NULL
--
CREATE TABLE live_chat_requests (
    id {uuid} NOT NULL PRIMARY KEY,
    state text NOT NULL,
    requester text NOT NULL,
    conversation_id text,
    conversation_url text,
    person {json},
    company {json},
    locale text NOT NULL,
    time_zone text,
    message text,
    route {json} NOT NULL,
    routing {json} NOT NULL,
    agent_id {uuid} REFERENCES agents (id),
    created_at {instant} NOT NULL,
    accepted_at {instant},
    touched_at {instant},
    ended_at {instant},
    end_reason text,
    due_at {instant},
    revision bigint NOT NULL
)
--
CREATE INDEX live_chat_requests_due ON live_chat_requests (due_at) WHERE due_at IS NOT NULL
--
CREATE INDEX live_chat_requests_active ON live_chat_requests (agent_id) WHERE state = 'ACCEPTED'
--
CREATE INDEX live_chat_requests_by_agent ON live_chat_requests (agent_id, id)
--
CREATE INDEX live_chat_requests_by_conversation ON live_chat_requests (requester, conversation_id)
--
CREATE TABLE live_chat_offers (
    id {uuid} NOT NULL PRIMARY KEY,
    request_id {uuid} NOT NULL REFERENCES live_chat_requests (id) ON DELETE CASCADE,
    agent_id {uuid} NOT NULL REFERENCES agents (id),
    state text NOT NULL,
    offered_at {instant} NOT NULL,
    expires_at {instant} NOT NULL,
    ended_at {instant},
    pushed_at {instant}
)
--
CREATE UNIQUE INDEX live_chat_offers_open ON live_chat_offers (request_id) WHERE state = 'OPEN'
--
CREATE INDEX live_chat_offers_open_by_agent ON live_chat_offers (agent_id) WHERE state = 'OPEN'
--
CREATE INDEX live_chat_offers_by_agent ON live_chat_offers (agent_id, ended_at)
--
CREATE INDEX live_chat_offers_by_request ON live_chat_offers (request_id, offered_at)
--
CREATE TABLE push_registrations (
    id {uuid} NOT NULL PRIMARY KEY,
    agent_id {uuid} NOT NULL REFERENCES agents (id),
    endpoint_hash {bytes} NOT NULL UNIQUE,
    subscription {bytes} NOT NULL,
    label text,
    created_at {instant} NOT NULL
)
--
CREATE INDEX push_registrations_by_agent ON push_registrations (agent_id)
--
CREATE TABLE server_keys (
    name text NOT NULL PRIMARY KEY,
    id {uuid} NOT NULL,
    sealed {bytes} NOT NULL,
    created_at {instant} NOT NULL
)";

const DOWN: &str = "\
DROP TABLE server_keys
--
DROP TABLE push_registrations
--
DROP TABLE live_chat_offers
--
DROP TABLE live_chat_requests
--
DROP INDEX agents_by_chat_status
--
ALTER TABLE agents DROP COLUMN notify_failed_actions
--
ALTER TABLE agents DROP COLUMN chat_status_until
--
ALTER TABLE agents DROP COLUMN chat_status
--
ALTER TABLE agents DROP COLUMN chat_limit";
