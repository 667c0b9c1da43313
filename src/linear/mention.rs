//! People's words as Linear writes them in Markdown: without the mention that called us, and without
//! the backslashes that Linear puts before signs.
//!
//! A mention comes as `@name`, as a link to our profile, or as `<user id="…">`. Called by
//! `inbound.rs`.

use url::Url;

use super::inbound::Identity;

/// What somebody said to us: our own mentions taken out, other people's in plain words.
#[must_use]
pub fn words_to_us(text: &str, us: &Identity) -> String {
    plain(&named(&without_mention(text, us))).trim().to_owned()
}

/// Takes every mention of us out, with the punctuation that follows one at the start.
#[must_use]
pub fn without_mention(text: &str, us: &Identity) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        // In the middle of a word nothing begins.
        let starts = kept.chars().next_back().is_none_or(|before| !before.is_alphanumeric());
        let Some(length) = starts.then(|| mention(rest, us)).flatten() else {
            kept.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        let after = rest[length..].trim_start_matches(' ');
        kept.truncate(kept.trim_end_matches(' ').len());
        if kept.trim().is_empty() {
            kept.clear();
            rest = after.trim_start_matches([',', ':']).trim_start();
        } else {
            let joins = after.starts_with(|c: char| c.is_whitespace() || ",.:;!?)".contains(c));
            if !joins && !after.is_empty() {
                kept.push(' ');
            }
            rest = after;
        }
    }
    kept
}

/// How long the mention of us is that `text` begins with.
fn mention(text: &str, us: &Identity) -> Option<usize> {
    match text.as_bytes().first()? {
        b'@' => at_name(text, us),
        b'<' => element(text, us).or_else(|| {
            let (inside, _) = text[1..].split_once('>')?;
            is_our_profile(inside, us).then_some(inside.len() + 2)
        }),
        b'[' => {
            let (label, _) = text[1..].split_once("](").filter(|(label, _)| !label.contains(['[', '\n']))?;
            let target = &text[label.len() + 3..];
            let (target, _) = target.split_once(')')?;
            is_our_profile(target, us).then_some(label.len() + 3 + target.len() + 1)
        }
        b'h' => {
            let end = text.find(|c: char| c.is_whitespace() || ")>]".contains(c)).unwrap_or(text.len());
            let address = text[..end].trim_end_matches(['.', ',', ':', ';', '!', '?']);
            is_our_profile(address, us).then_some(address.len())
        }
        _ => None,
    }
}

/// `@Baton`, by our name or as one word.
fn at_name(text: &str, us: &Identity) -> Option<usize> {
    let after = &text[1..];
    let name = us.name.trim();
    let one_word: String = name.split_whitespace().collect();
    let found = [name, one_word.as_str()].into_iter().filter(|name| !name.is_empty()).find(|name| {
        after.get(..name.len()).is_some_and(|there| there.eq_ignore_ascii_case(name))
            && !after[name.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-')
    })?;
    Some(1 + found.len())
}

/// `<user id="…">name</user>` with our id.
fn element(text: &str, us: &Identity) -> Option<usize> {
    let (tag, _) = text.strip_prefix("<user ")?.split_once('>')?;
    let is_us = !us.app_user.is_empty() && tag.contains(&format!("\"{}\"", us.app_user));
    let name_at = "<user >".len() + tag.len();
    let (name, _) = text[name_at..].split_once("</user>").filter(|_| is_us)?;
    Some(name_at + name.len() + "</user>".len())
}

/// `https://linear.app/acme/profiles/baton`, and `…/baton1` where that name was taken.
fn is_our_profile(address: &str, us: &Identity) -> bool {
    let Ok(url) = Url::parse(address.trim()) else { return false };
    let mut path = url.path().trim_matches('/').split('/');
    let (Some(organization), Some("profiles"), Some(handle), None) =
        (path.next(), path.next(), path.next(), path.next())
    else {
        return false;
    };
    let ours = us.url_key.as_deref().is_none_or(|key| key.eq_ignore_ascii_case(organization));
    let (name, handle) = (letters(&us.name), letters(handle));
    let number = handle.strip_prefix(&name).filter(|_| !name.is_empty());
    ours && url.host_str() == Some("linear.app") && number.is_some_and(|n| n.chars().all(|c| c.is_ascii_digit()))
}

fn letters(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// `@name` for each `<user id="…">name</user>`.
fn named(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, from)) = rest.split_once("<user ") {
        plain.push_str(before);
        let name = from.split_once('>').and_then(|(_, from)| from.split_once("</user>"));
        let Some((name, after)) = name.filter(|(name, _)| !name.contains(['<', '\n'])) else {
            plain.push_str("<user ");
            rest = from;
            continue;
        };
        plain.push('@');
        plain.push_str(name.trim_start_matches('@'));
        rest = after;
    }
    plain + rest
}

/// Without the backslashes that Linear puts before signs, which it does outside of code.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut code = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        code ^= letter == '`';
        let escapes = letters.peek().is_some_and(|next| "[]_*~#".contains(*next));
        if letter != '\\' || code || !escapes {
            plain.push(letter);
        } else {
            plain.extend(letters.next());
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn us() -> Identity {
        Identity {
            organization: "org".into(),
            app_user: "app-1".into(),
            name: "Baton Dev".into(),
            url_key: Some("acme".into()),
        }
    }

    #[test]
    fn a_mention_goes_wherever_it_stands() {
        for (text, read) in [
            ("@Baton Dev fix it", "fix it"),
            ("@batondev: fix it", "fix it"),
            ("please @BatonDev, fix it", "please, fix it"),
            ("fix it @batondev", "fix it"),
            ("@batondev", ""),
            ("fix @batondev2 and me@batondev", "fix @batondev2 and me@batondev"),
            ("[@Baton](https://linear.app/acme/profiles/batondev) fix it", "fix it"),
            ("https://linear.app/acme/profiles/batondev fix it", "fix it"),
            ("<https://linear.app/acme/profiles/baton-dev1> fix it", "fix it"),
            ("see https://linear.app/other/profiles/batondev", "see https://linear.app/other/profiles/batondev"),
            ("see https://linear.app/acme/profiles/ada", "see https://linear.app/acme/profiles/ada"),
            ("<user id=\"app-1\">batondev</user> ask <user id=\"u2\">grace</user>", "ask @grace"),
            ("a <b> @ [c](d) \\ <user e", "a <b> @ [c](d) \\ <user e"),
            ("a\n\n@batondev b", "a\n\n b"),
        ] {
            assert_eq!(words_to_us(text, &us()), read, "{text}");
        }
    }

    #[test]
    fn backslashes_before_signs_go_outside_of_code() {
        assert_eq!(words_to_us(r"each:pkg\_a,pkg\_b \[x\] `a\_b` \n", &us()), r"each:pkg_a,pkg_b [x] `a\_b` \n");
    }

    #[test]
    fn an_identity_without_a_name_finds_nothing() {
        let nameless = Identity { name: String::new(), app_user: String::new(), url_key: None, ..us() };
        for text in ["@ fix", "<user id=\"\">x</user>", "https://linear.app/acme/profiles/1"] {
            assert!(!without_mention(text, &nameless).is_empty(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(@|Baton Dev|<user id=\"app-1\">|</user>|\\[|\\]\\(|\\)|https://linear.app/acme/profiles/|é| |\n|`|\\\\){0,30}") {
            let _ = words_to_us(&text, &us());
        }
    }
}
