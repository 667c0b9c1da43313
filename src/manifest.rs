//! What a platform has to be told about Baton at a public address: the Slack app manifest and the link
//! to a filled-in Linear application, as `baton manifest` prints them.
//!
//! They follow <https://docs.slack.dev/reference/app-manifest/> and
//! <https://linear.app/developers/oauth-app-manifests>. `manifests/slack.json` and
//! `manifests/linear.txt` are copies for an example address; `baton check` compares a token's scopes
//! with [`SCOPES`].

use serde_json::{Value, json};
use url::{Url, form_urlencoded};

/// What the bot may do, and what for. `manifests/README.md` has the same table for people.
pub const SCOPES: [(&str, &str); 13] = [
    ("app_mentions:read", "hear `@Baton …`"),
    ("channels:history", "hear replies in threads of public channels, read a thread for context, find a lost post"),
    ("chat:write", "post and edit the board, proposals, answers and refusals"),
    ("commands", "offer `/orchestrate`, `/plan`, `/oz` and the message shortcut"),
    ("files:write", "upload plans, screenshots, files and transcripts into the thread"),
    ("groups:history", "the same as channels:history, in private channels it was invited to"),
    ("im:history", "hear direct messages"),
    ("im:write", "tell the one who asked in private when it cannot post in a channel"),
    ("mpim:history", "hear messages of group conversations it was added to"),
    ("reactions:write", "show that a message was stored, and that Oz has taken it"),
    ("usergroups:read", "find out who is in a group that a policy names"),
    ("users:read", "name the people who ask and reply when an agent is told of them"),
    ("users:read.email", "know a person by the e-mail address that a policy names, and on both platforms as one"),
];

/// What the bot hears.
const EVENTS: [&str; 8] = [
    "app_home_opened",
    "app_mention",
    "app_uninstalled",
    "message.channels",
    "message.groups",
    "message.im",
    "message.mpim",
    "tokens_revoked",
];

/// The webhooks that Linear sends us. Issues and comments are for labels and for threads.
const RESOURCES: [&str; 6] =
    ["AgentSessionEvent", "AppUserNotification", "Comment", "Issue", "OAuthAuthorization", "PermissionChange"];

/// The manifest of an app whose events come over a socket that we open: it needs no public address.
#[must_use]
pub fn slack_by_socket() -> Value {
    // What it has addresses in, and nothing else.
    let mut manifest = slack_at("");
    for command in manifest["features"]["slash_commands"].as_array_mut().into_iter().flatten() {
        remove(command, "url");
    }
    remove(&mut manifest["oauth_config"], "redirect_urls");
    remove(&mut manifest["settings"]["event_subscriptions"], "request_url");
    remove(&mut manifest["settings"]["interactivity"], "request_url");
    remove(&mut manifest["settings"]["interactivity"], "message_menu_options_url");
    manifest["settings"]["socket_mode_enabled"] = true.into();
    manifest
}

fn remove(from: &mut Value, member: &str) {
    if let Some(members) = from.as_object_mut() {
        members.remove(member);
    }
}

/// The manifest of an app whose events come to `base`.
#[must_use]
pub fn slack(base: &Url) -> Value {
    slack_at(base.as_str().trim_end_matches('/'))
}

fn slack_at(base: &str) -> Value {
    let command = |command: &str, description: &str, usage: &str| {
        json!({
            "command": command,
            "description": description,
            "usage_hint": usage,
            "url": format!("{base}/slack/commands"),
            // So that people and channels in a task arrive by their ids, whatever they are called.
            "should_escape": true,
        })
    };
    json!({
        "_metadata": { "major_version": 1, "minor_version": 1 },
        "display_information": {
            "name": "Baton",
            "description": "Orchestrated agents, run and approved from Slack",
            "background_color": "#26324a",
            "long_description": "Baton runs orchestrated agents from the conversations a team already has. \
                Ask with /orchestrate, read the plan that an agent proposes, approve exactly that plan in the thread, \
                follow every child on one quiet board, and get the pull requests, plans and files back where you asked.",
        },
        "features": {
            "app_home": {
                "home_tab_enabled": false,
                "messages_tab_enabled": true,
                "messages_tab_read_only_enabled": false,
            },
            "bot_user": { "display_name": "Baton", "always_online": true },
            "slash_commands": [
                command(
                    "/orchestrate",
                    "Have an agent propose a plan for many agents, and run it once approved",
                    "[env:… model:… max:… each:a,b,c] what to do",
                ),
                command("/plan", "Have an agent write a plan, to be approved here", "[env:… model:…] what to plan"),
                command("/oz", "Run one agent, or ask about those that run", "what to do | list | status | cancel | help"),
            ],
            "shortcuts": [{
                "name": "Orchestrate this",
                "type": "message",
                "callback_id": "baton.orchestrate_message",
                "description": "Start an orchestration with this message as its task",
            }],
        },
        "oauth_config": {
            // For installs into other workspaces.
            "redirect_urls": [format!("{base}/slack/oauth/callback")],
            "scopes": { "bot": SCOPES.map(|(scope, _)| scope) },
        },
        "settings": {
            "event_subscriptions": { "request_url": format!("{base}/slack/events"), "bot_events": EVENTS },
            "interactivity": {
                "is_enabled": true,
                "request_url": format!("{base}/slack/interactivity"),
                "message_menu_options_url": format!("{base}/slack/interactivity"),
            },
            "org_deploy_enabled": false,
            "socket_mode_enabled": false,
            "token_rotation_enabled": false,
        },
    })
}

/// The address at which Linear offers to make an application whose webhooks come to `base`. Of the two
/// forms that Linear has for it, this is the one without JSON, which it takes more readily.
#[must_use]
pub fn linear(base: &Url) -> String {
    let base = base.as_str().trim_end_matches('/');
    let (redirect, webhooks) = (format!("{base}/linear/oauth/callback"), format!("{base}/linear/webhooks"));
    let page = "https://linear.app/settings/api/applications/new?".to_owned();
    let filled_from = page.len();
    let mut link = form_urlencoded::Serializer::for_suffix(page, filled_from);
    link.extend_pairs([
        // Only its own workspace can install it; Linear's page changes that.
        ("distribution", "private"),
        ("developer.name", "Baton"),
        ("oauth.client_name", "Baton"),
        ("oauth.client_uri", base),
        ("oauth.redirect_uris", &redirect),
        ("oauth.grant_types", "authorization_code"),
        ("oauth.grant_types", "client_credentials"),
        ("webhook.enabled", "true"),
        ("webhook.url", &webhooks),
    ]);
    link.extend_pairs(RESOURCES.map(|resource| ("webhook.resourceTypes", resource)));
    link.finish()
}

/// As it is printed and committed.
#[must_use]
pub fn pretty(manifest: &Value) -> String {
    format!("{manifest:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn for_address(base: &str) -> Value {
        slack(&Url::parse(base).expect("an address"))
    }

    #[test]
    fn the_committed_copy_is_what_is_printed() {
        let printed = pretty(&for_address("https://baton.example.com"));
        let committed = include_str!("../manifests/slack.json");
        let remedy = "run: baton manifest slack --url https://baton.example.com > manifests/slack.json";
        assert!(printed == committed, "{remedy}");
    }

    #[test]
    fn the_committed_link_is_what_is_printed() {
        let printed = linear(&Url::parse("https://baton.example.com").expect("an address")) + "\n";
        let committed = include_str!("../manifests/linear.txt");
        let remedy = "run: baton manifest linear --url https://baton.example.com > manifests/linear.txt";
        assert!(printed == committed, "{remedy}");
    }

    /// The rules of <https://linear.app/developers/oauth-app-manifests>.
    #[test]
    fn the_link_keeps_linears_rules() {
        let link = Url::parse(&linear(&Url::parse("https://example.com/baton/").expect("an address"))).expect("a link");
        assert_eq!((link.host_str(), link.path()), (Some("linear.app"), "/settings/api/applications/new"));
        let all = |name: &str| -> Vec<String> {
            link.query_pairs().filter(|(key, _)| key == name).map(|(_, value)| value.into_owned()).collect()
        };
        assert_eq!(all("webhook.url"), ["https://example.com/baton/linear/webhooks"]);
        assert_eq!(all("oauth.redirect_uris"), ["https://example.com/baton/linear/oauth/callback"]);
        assert_eq!(all("oauth.grant_types"), ["authorization_code", "client_credentials"]);
        assert!(all("webhook.resourceTypes").contains(&"AgentSessionEvent".to_owned()));
        let name = all("oauth.client_name").concat();
        assert!(!name.is_empty() && !name.to_lowercase().contains("linear"));
        assert!(all("developer.name").concat().len() >= 2);
    }

    #[test]
    fn the_table_for_people_names_every_scope_and_no_other() {
        let table = include_str!("../manifests/README.md");
        let told: Vec<(&str, &str)> = table
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | "))
            .filter(|(scope, _)| scope.contains(':') || *scope == "commands")
            .collect();
        assert_eq!(told, SCOPES);
    }

    #[test]
    fn a_slash_at_the_end_and_a_path_make_no_difference() {
        assert_eq!(for_address("https://baton.example.com/"), for_address("https://baton.example.com"));
        let under = for_address("https://example.com/baton/");
        assert_eq!(under["settings"]["event_subscriptions"]["request_url"], "https://example.com/baton/slack/events");
    }

    #[test]
    fn by_socket_it_names_no_address() {
        let manifest = slack_by_socket();
        let text = manifest.to_string();
        assert!(!text.contains("/slack/") && !text.contains("request_url"), "{text}");
        assert_eq!(manifest["settings"]["socket_mode_enabled"], true);
        let by_webhook = for_address("https://baton.example.com");
        assert_eq!(
            manifest["settings"]["event_subscriptions"]["bot_events"],
            by_webhook["settings"]["event_subscriptions"]["bot_events"]
        );
        assert_eq!(manifest["oauth_config"]["scopes"], by_webhook["oauth_config"]["scopes"]);
    }

    /// The limits of <https://docs.slack.dev/reference/app-manifest/>.
    #[test]
    fn it_keeps_slacks_limits() {
        let manifest = for_address("https://baton.example.com");
        let length = |value: &Value| value.as_str().expect("text").chars().count();
        let display = &manifest["display_information"];
        assert!(length(&display["name"]) <= 35 && length(&display["description"]) <= 140);
        assert!((175..=4000).contains(&length(&display["long_description"])));
        for command in manifest["features"]["slash_commands"].as_array().expect("commands") {
            assert!(length(&command["command"]) <= 32 && length(&command["usage_hint"]) <= 1000);
            assert_eq!(command["url"], "https://baton.example.com/slack/commands");
            assert_eq!(command["should_escape"], true);
        }
        let shortcut = &manifest["features"]["shortcuts"][0];
        assert!(length(&shortcut["name"]) <= 24 && length(&shortcut["description"]) <= 150);
        assert_eq!(shortcut["callback_id"], "baton.orchestrate_message");
    }
}
