//! The decisions on a proposal as words, for where people choose among options instead of clicking
//! buttons: Linear sends an option's value or its label back as if it had been typed.
//!
//! What was offered is read back exactly, and nothing else is: an approval is never guessed.

use super::message::{About, Press, Subject};

/// What stands before the version: in the value, and in the label.
const FORMS: [(Press, &str, &str); 3] = [
    (Press::Approve, "approve v", "approve version "),
    (Press::RequestChanges, "request changes v", "request changes to version "),
    (Press::Reject, "reject v", "reject version "),
];

/// Digits of the digest that an approval names.
const DIGITS: usize = 12;

/// The words that decide: `approve v2 9f86d081884c`, `request changes v2`, `reject v2`. None for a
/// button that is no option.
#[must_use]
pub fn option(press: Press, about: &About) -> Option<String> {
    let (version, digest) = proposal(about)?;
    match press {
        Press::Approve => Some(format!("approve v{version} {digest}")),
        Press::RequestChanges => Some(format!("request changes v{version}")),
        Press::Reject => Some(format!("reject v{version}")),
        Press::Edit | Press::Stop | Press::RetryChild | Press::Why | Press::Details | Press::Open => None,
    }
}

/// The same for people to read: `Approve version 2 (9f86d081884c)`.
#[must_use]
pub fn label(press: Press, about: &About) -> Option<String> {
    let (version, digest) = proposal(about)?;
    match press {
        Press::Approve => Some(format!("Approve version {version} ({digest})")),
        Press::RequestChanges => Some(format!("Request changes to version {version}")),
        Press::Reject => Some(format!("Reject version {version}")),
        Press::Edit | Press::Stop | Press::RetryChild | Press::Why | Press::Details | Press::Open => None,
    }
}

/// Reads a value or a label, with the version and, of an approval, the digest's first digits.
#[must_use]
pub fn read_option(text: &str) -> Option<(Press, u32, Option<String>)> {
    let text = folded(text);
    FORMS.into_iter().find_map(|(press, value, label)| {
        let (rest, is_label) = match (text.strip_prefix(value), text.strip_prefix(label)) {
            (_, Some(rest)) => (rest, true),
            (Some(rest), None) => (rest, false),
            (None, None) => return None,
        };
        if press != Press::Approve {
            return Some((press, version(rest)?, None));
        }
        let (number, digest) = rest.split_once(' ')?;
        let digest = if is_label { digest.strip_prefix('(')?.strip_suffix(')')? } else { digest };
        let is_digest =
            digest.len() == DIGITS && digest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        is_digest.then_some((press, version(number)?, Some(digest.to_owned())))
    })
}

/// Reads a decision with words after it: `request changes v2: use tabs`, `reject v2: too wide`. An
/// approval takes none.
#[must_use]
pub fn read_option_with_words(text: &str) -> Option<(Press, u32, String)> {
    let (decision, words) = text.split_once(':')?;
    let (press, version, _) = read_option(decision).filter(|(press, _, _)| *press != Press::Approve)?;
    let words = words.trim();
    (!words.is_empty()).then(|| (press, version, words.to_owned()))
}

fn proposal(about: &About) -> Option<(u32, &str)> {
    match &about.subject {
        Subject::Proposal { version, digest } => Some((*version, digest.get(..DIGITS).unwrap_or(digest))),
        Subject::Whole | Subject::Child(_) => None,
    }
}

/// Without what a keyboard may add: spaces around, capitals, and the sign that picks a picture's form.
fn folded(text: &str) -> String {
    let text: String = text.chars().filter(|c| !matches!(c, '\u{fe0e}' | '\u{fe0f}')).collect();
    text.trim().to_lowercase()
}

/// A number as we write it, without a sign or zeros before it.
fn version(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::OrchestrationId;

    fn about() -> About {
        let subject = Subject::Proposal { version: 2, digest: "9f86d081884c".into() };
        About { orchestration: OrchestrationId::new("o1"), subject }
    }

    #[test]
    fn what_is_offered_is_read_back() {
        for press in [Press::Approve, Press::RequestChanges, Press::Reject] {
            let digest = (press == Press::Approve).then(|| "9f86d081884c".to_owned());
            for words in [option(press, &about()), label(press, &about())] {
                let words = words.expect("an option");
                let read = Some((press, 2, digest.clone()));
                assert_eq!(read_option(&words), read, "{words}");
                assert_eq!(read_option(&format!(" {}\u{fe0f}\n", words.to_uppercase())), read, "{words}");
                let stem = press.as_str().split('_').next_back().unwrap_or_default();
                assert!(words.to_lowercase().contains(stem.trim_end_matches('s')), "{words}");
            }
        }
        for press in [Press::Edit, Press::Stop, Press::Open] {
            assert_eq!((option(press, &about()), label(press, &about())), (None, None));
        }
        let whole = About { subject: Subject::Whole, ..about() };
        assert_eq!(option(Press::Approve, &whole), None);
    }

    #[test]
    fn nothing_else_is_a_decision() {
        for text in [
            "approve",
            "approve v2",
            "approve v2 9f86d081884",
            "approve v2 9f86d081884cc",
            "approve v2 9f86d081884g",
            "approve v+2 9f86d081884c",
            "approve v02 9f86d081884c",
            "approve  v2 9f86d081884c",
            "approve v2 9f86d081884c.",
            "please approve v2 9f86d081884c",
            "approve version 2 9f86d081884c",
            "approve v2 (9f86d081884c)",
            "reject",
            "reject v",
            "reject v2 9f86d081884c",
            "request changes v2: tabs",
            "request changes to v2",
            "yes",
            "1",
            "",
        ] {
            assert_eq!(read_option(text), None, "{text:?}");
        }
    }

    #[test]
    fn words_follow_a_colon() {
        let read = read_option_with_words("Request changes v2: Use: tabs ");
        assert_eq!(read, Some((Press::RequestChanges, 2, "Use: tabs".into())));
        assert_eq!(read_option_with_words("reject v2: too wide"), Some((Press::Reject, 2, "too wide".into())));
        for text in ["approve v2 9f86d081884c: go", "reject v2:", "reject v2", "note: reject v2"] {
            assert_eq!(read_option_with_words(text), None, "{text}");
        }
    }
}
