//! What the playground page asks of the simulated Slack: a picture of it as one person sees it,
//! and the gestures of a person. Mounted by [`super::Slack::router`] below `/playground/api`.
//!
//! Every POST wants `Content-Type: application/json`: another site's form or script cannot send
//! that without asking first, so nobody else can act through a visitor's browser.
//!
//! ```text
//! GET  state?user=U0ADA   → { me: User, users: [User], channels: [Channel], messages: { CHANNEL_ID: [Message] },
//!                            views: [{ id, view }], commands: [{ name, usage, description }],
//!                            now: 1764000000123 /* milliseconds */, version: 12 }
//!      400 { ok: false, error: "no such user" } for an unknown user; without `user` it is U0ADA.
//! GET  changes            → text/event-stream: `event: changed`, `data: <version>` at once and
//!                            whenever something changed (several changes may come as one)
//!
//! User    = { id, name /* "Ada Lovelace" */, handle /* "ada" */, is_bot }
//! Channel = { id, name /* without "#"; the partner's name in a DM */, private, bot_member, is_dm }
//!           only those the person is a member of; the DM with Baton is always among them, last
//! Message = { ts, thread_ts /* null at top level; a root has none here */, user: { id, name, is_bot },
//!             text /* mrkdwn, escaped by & < > */, blocks: [Block], attachments: [],
//!             files: [{ id, name, title, mimetype, url, size }],
//!             reactions: [{ name, users: [USER_ID] }],
//!             edited, ephemeral, reply_count, broadcast /* a reply shown in the channel too */, deleted }
//!           oldest first; replies are in the same list as the roots, with `thread_ts`. Ephemeral ones
//!           of that person are among them, placed by time. Deleted ones are only there as the root of
//!           a thread. `blocks` are Slack's, with `block_id` and `action_id` filled in.
//! view    = Slack's view object with `id`, `type` ("modal" or "home"), `title`, `blocks`, `submit`,
//!           `close`, `callback_id`. Modals are in the order they were opened: the last is on top.
//!
//! POST command       { user, channel, command: "/orchestrate", text }
//! POST say           { user, channel, thread_ts?, text, broadcast? }   "@baton" means our bot, "@ada" Ada
//! POST edit          { user, channel, ts, text }                       only one's own
//! POST delete        { user, channel, ts }                             only one's own
//! POST click         { user, channel, ts, action_id, block_id?, value?, selected? }
//! POST click_in_view { user, view_id, action_id, block_id?, value?, selected?, values? }
//! POST submit        { user, view_id, values }
//! POST close         { user, view_id }
//! POST shortcut      { user, channel, ts, callback_id? }               "baton.orchestrate_message"
//!
//! `value` tells apart several buttons with one `action_id`. `selected` is an option's value, or a
//! list of them. `values` is { BLOCK_ID: value }, the value being text, an option's value, a list of
//! options' values, or null for none; what is left out keeps its initial value.
//!
//! Every answer to a POST is 200 { ok, status, error?, response_action?, errors?, ts? }:
//!   ok               Baton's door answered 2xx and nothing below says otherwise
//!   status           the door's HTTP status; 0 when it could not be reached, or was not asked
//!   error            one sentence for the person, as Slack would show it
//!   response_action  what the door answered to a submission: "errors", "update", "push", "clear"
//!   errors           { BLOCK_ID: sentence }, for "errors" and for required fields left empty
//!   ts               of the message that was said
//! 415 for another content type, 400/422 for a body that cannot be read.
//! A slash command's answer with text becomes an ephemeral (or a message, for `in_channel`).
//! ```
