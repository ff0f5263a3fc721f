//! The confirmation that visitors receive.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};

use super::access::{app, authorise, authorise_edit, authorise_for};
use super::agent::Agent;
use super::error::Result;
use super::visitor::{CompanyInput, PersonInput};
use crate::mail;
use crate::service::invite as service;
use crate::store::agent::Model;

/// The confirmation a visitor receives: Handlebars with person, company, agent and meeting tokens.
#[derive(Clone, Debug, SimpleObject)]
pub struct InviteTemplate {
    /// A template of one line.
    subject: String,
    /// A template in CommonMark.
    body: String,
    /// Adds a Google Meet or Microsoft Teams link where the agent's calendar offers one.
    include_conference_link: bool,
    /// True until the agent wrote its own: then each visitor gets the default in their language, and
    /// the agent's language is shown here.
    is_default: bool,
}

impl InviteTemplate {
    pub(crate) fn of(agent: &Model) -> Self {
        let (subject, body) = service::template(agent, &agent.locale);
        Self {
            subject: subject.into_owned(),
            body: body.into_owned(),
            include_conference_link: agent.include_conference_link,
            is_default: agent.invite_subject.is_none() && agent.invite_body.is_none(),
        }
    }
}

/// Groups of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "mail::TokenGroup")]
pub enum TemplateTokenGroup {
    /// About the visitor.
    Person,
    /// About the visitor's company.
    Company,
    /// About the agent.
    Agent,
    /// About the meeting.
    Meeting,
}

/// What can stand in a template.
#[derive(Clone, Debug, SimpleObject)]
pub struct TemplateToken {
    /// As typed in a template, e.g. {{person.firstName}}.
    token: String,
    /// For a token picker.
    label: String,
    /// For a token picker.
    group: TemplateTokenGroup,
    /// What it may be replaced by.
    example: String,
}

/// A template as it would be sent.
#[derive(Clone, Debug, SimpleObject)]
pub struct RenderedInvite {
    /// One line.
    subject: String,
    /// The part for mail programs that show plain text.
    text: String,
    /// The part for the others: a whole page.
    html: String,
}

/// A template to look at.
#[derive(Clone, Debug, InputObject)]
pub struct PreviewInviteInput {
    agent_id: ID,
    /// At most 300 characters.
    subject: String,
    /// At most 20000 characters.
    body: String,
    /// The tokens' examples where left out.
    person: Option<PersonInput>,
    company: Option<CompanyInput>,
}

/// Fields left out stay as they are.
#[derive(Clone, Debug, InputObject)]
pub struct SetInviteTemplateInput {
    agent_id: ID,
    /// At most 300 characters.
    subject: Option<String>,
    /// CommonMark; at most 20000 characters.
    body: Option<String>,
    /// Adds a conference link where the agent's calendar offers one.
    include_conference_link: Option<bool>,
}

/// Queries about invitations.
#[derive(Clone, Copy, Debug, Default)]
pub struct InviteQuery;

#[Object]
impl InviteQuery {
    /// What can stand in a template. For known callers.
    async fn template_tokens(&self, ctx: &Context<'_>) -> Result<Vec<TemplateToken>> {
        authorise(ctx)?;
        let show = |token: &mail::Token| TemplateToken {
            token: token.token.to_owned(),
            label: token.label.to_owned(),
            group: token.group.into(),
            example: token.example.to_owned(),
        };
        Ok(mail::tokens().iter().map(show).collect())
    }

    /// Renders a template as it would be sent, against the given visitor or the tokens' examples.
    /// Needs MANAGE_CALENDAR_AVAILABILITY for oneself, else MANAGE_AGENTS.
    async fn preview_invite(
        &self,
        ctx: &Context<'_>,
        input: PreviewInviteInput,
    ) -> Result<RenderedInvite> {
        let agent = authorise_for(ctx, &input.agent_id, "input.agentId")?;
        let source = mail::TemplateSource { subject: &input.subject, body: &input.body };
        let person = input.person.map(Into::into);
        let company = input.company.map(Into::into);
        let rendered = service::preview(app(ctx), agent, source, person, company).await?;
        let mail::Rendered { subject, text, html } = rendered;
        Ok(RenderedInvite { subject, text, html })
    }
}

/// Mutations about invitations.
#[derive(Clone, Copy, Debug, Default)]
pub struct InviteMutation;

#[Object]
impl InviteMutation {
    /// Changes the confirmation that an agent's visitors receive. Needs
    /// MANAGE_CALENDAR_AVAILABILITY for oneself, else MANAGE_AGENTS.
    async fn set_invite_template(
        &self,
        ctx: &Context<'_>,
        input: SetInviteTemplateInput,
    ) -> Result<Agent> {
        let editor = authorise_edit(ctx, &input.agent_id, "input.agentId")?;
        let update = service::TemplateUpdate {
            subject: input.subject,
            body: input.body,
            include_conference_link: input.include_conference_link,
        };
        Ok(Agent(service::set_template(app(ctx), editor, update).await?))
    }
}
