//! What Slack knows of a person, as far as policies ask: a verified e-mail address, and groups.
//!
//! An address counts only when Slack itself vouches for it: of a member of this workspace or
//! organisation, and confirmed. A guest of a shared channel brings whatever their own administrators
//! wrote. Called by `deliver.rs`.

use serde::Deserialize;
use serde_json::Value;

use super::client::Slack;
use crate::{
    domain::{
        failure::{Failure, Problem},
        policy::Rights,
    },
    door::text_at,
};

impl Slack {
    /// Of the groups, those that the person is in.
    pub(super) async fn rights(&self, user: &str, groups: &[String]) -> Result<Rights, Failure> {
        let mut rights = Rights { email: self.email_of(user).await?, groups: Vec::new() };
        for group in groups {
            if self.members_of(group).await?.iter().any(|member| member == user) {
                rights.groups.push(group.clone());
            }
        }
        Ok(rights)
    }

    /// <https://docs.slack.dev/reference/methods/users.info>; none where Slack vouches for none.
    async fn email_of(&self, user: &str) -> Result<Option<String>, Failure> {
        #[derive(Deserialize)]
        struct Answer {
            user: Value,
        }
        let answer: Answer = self.read("users.info", &[("user", Some(user.to_owned()))]).await?;
        let user = answer.user;
        if is(&user, "/deleted") {
            return Err(Failure::Refused(Problem::new("user_not_found")));
        }
        let ours = &self.identity().await?.workspace;
        let at_home = ["/team_id", "/enterprise_id", "/enterprise_user/enterprise_id"]
            .iter()
            .any(|pointer| text_at(&user, pointer) == Some(ours));
        let unconfirmed = user.pointer("/is_email_confirmed").and_then(Value::as_bool) == Some(false);
        let vouched_for = at_home && !unconfirmed && !is(&user, "/is_bot") && !is(&user, "/is_stranger");
        Ok(text_at(&user, "/profile/email").filter(|_| vouched_for).map(str::to_owned))
    }

    /// <https://docs.slack.dev/reference/methods/usergroups.users.list>
    async fn members_of(&self, group: &str) -> Result<Vec<String>, Failure> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            users: Vec<String>,
        }
        let answer: Answer = self.read("usergroups.users.list", &[("usergroup", Some(group.to_owned()))]).await?;
        Ok(answer.users)
    }
}

fn is(user: &Value, pointer: &str) -> bool {
    user.pointer(pointer).and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::slack::fake::{Fake, Reply};

    #[tokio::test]
    async fn an_address_counts_when_slack_vouches_for_it() {
        for (more, counts) in [
            (json!({"team_id": "T1"}), true),
            (json!({"team_id": "T1", "is_email_confirmed": true}), true),
            (json!({"team_id": "T1", "is_email_confirmed": false}), false),
            (json!({"team_id": "T2", "enterprise_user": {"enterprise_id": "T1"}}), true),
            (json!({"team_id": "T2"}), false),
            (json!({"team_id": "T1", "is_stranger": true}), false),
            (json!({"team_id": "T1", "is_bot": true}), false),
        ] {
            let told = more.clone();
            let fake = Fake::start(move |asked, _| match asked.what.as_str() {
                "users.info" => {
                    let mut user = told.clone();
                    user["profile"] = json!({"email": "ada@example.com", "phone": 5});
                    Reply::ok(json!({"user": user}))
                }
                _ => Reply::identity(),
            })
            .await;
            let rights = fake.slack.rights("U1", &[]).await.expect("rights");
            assert_eq!(rights.email.is_some(), counts, "{more}");
        }
    }

    #[tokio::test]
    async fn only_groups_that_the_person_is_in_are_told() {
        let fake = Fake::start(|asked, _| match (asked.what.as_str(), asked.query("usergroup").as_str()) {
            ("users.info", _) => Reply::ok(json!({"user": {"team_id": "T1", "profile": {}}})),
            ("usergroups.users.list", "S1") => Reply::ok(json!({"users": ["U2", "U1"]})),
            ("usergroups.users.list", "S2") => Reply::ok(json!({"users": ["U2"]})),
            ("usergroups.users.list", _) => Reply::refused("no_such_subteam"),
            _ => Reply::identity(),
        })
        .await;
        let groups = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        let rights = fake.slack.rights("U1", &groups(&["S1", "S2"])).await.expect("rights");
        assert_eq!(rights, Rights { email: None, groups: groups(&["S1"]) });
        let unknown = fake.slack.rights("U1", &groups(&["S9"])).await.expect_err("a refusal");
        assert_eq!(unknown.problem().code, "no_such_subteam");
    }

    #[tokio::test]
    async fn somebody_who_has_left_has_no_rights() {
        let gone = json!({"user": {"team_id": "T1", "deleted": true, "profile": {"email": "ada@example.com"}}});
        let fake = Fake::start(move |_, _| Reply::ok(gone.clone())).await;
        assert_eq!(fake.slack.rights("U1", &[]).await.expect_err("a refusal").problem().code, "user_not_found");
    }
}
