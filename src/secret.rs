//! Reading secrets: given as they are, or as `file:/path` to what a container, systemd or a vault
//! mounted. They live in [`SecretString`], which prints as `[REDACTED]`; no error here repeats one.

use std::fs;

use secrecy::SecretString;

/// One secret, as a header can carry it.
///
/// # Errors
/// The end of a sentence that begins with the setting's name.
pub fn one(text: &str) -> Result<SecretString, String> {
    match resolve(text)?.trim() {
        "" => Err("is empty".into()),
        secret if secret.chars().all(|c| c.is_ascii_graphic()) => Ok(secret.into()),
        _ => Err("has a space or another character that no secret has".into()),
    }
}

/// Several secrets, separated by commas, as while one is replaced by the next. Each may be a file,
/// and a file may hold several.
///
/// # Errors
/// The end of a sentence that begins with the setting's name.
pub fn several(text: &str) -> Result<Vec<SecretString>, String> {
    let mut secrets = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        for secret in resolve(part)?.split(',').filter(|secret| !secret.trim().is_empty()) {
            secrets.push(one(secret)?);
        }
    }
    if secrets.is_empty() { Err("is empty".into()) } else { Ok(secrets) }
}

/// The text itself, or what is in the file that it names.
fn resolve(text: &str) -> Result<String, String> {
    match text.trim().strip_prefix("file:") {
        None => Ok(text.to_owned()),
        Some(path) => {
            fs::read_to_string(path).map_err(|error| format!("names the file {path}, which cannot be read: {error}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_secret_is_given_or_stands_in_a_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        fs::write(&path, "from-file\n").expect("a file");
        let named = format!("file:{}", path.display());

        assert_eq!(one("given").expect("a secret").expose_secret(), "given");
        assert_eq!(one(&named).expect("a secret").expose_secret(), "from-file");

        let all = several(&format!("new, {named},")).expect("secrets");
        let all: Vec<&str> = all.iter().map(ExposeSecret::expose_secret).collect();
        assert_eq!(all, ["new", "from-file"]);
    }

    #[test]
    fn an_error_says_what_is_wrong_and_not_what_the_secret_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let missing = format!("file:{}", folder.path().join("missing").display());
        assert!(one(&missing).expect_err("a fault").contains("cannot be read"));
        assert_eq!(several(" , ").expect_err("a fault"), "is empty");
        let error = one("xoxb with space").expect_err("a fault");
        assert!(error.contains("space") && !error.contains("xoxb"), "{error}");
        assert!(!format!("{:?}", one("given")).contains("given"));
    }
}
