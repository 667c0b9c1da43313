//! Reading secrets: given as they are, or as `file:/path` to what a container, systemd or a vault
//! mounted. They live in [`SecretString`], which prints as `[REDACTED]`; no error here repeats one.
//! What has to be kept is sealed by a [`Sealer`] first.

use std::{fmt, fs, sync::Arc};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::{SecureRandom, SystemRandom},
};
use secrecy::{ExposeSecret, SecretString};

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

/// Keys for what is kept in the database: the first seals, each of them opens, so that one can be
/// replaced by the next. Cheap to clone.
///
/// ChaCha20-Poly1305 with a random nonce, which is safe for more seals than anybody will make. Each
/// is bound to what it is about, so that it is of no use in another row.
#[derive(Clone)]
pub struct Sealer(Arc<Vec<LessSafeKey>>);

/// It was sealed with another key, or about something else, or it was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what is sealed cannot be opened with any of the keys")]
pub struct Unsealed;

impl Sealer {
    /// `keys` are 32 bytes each, in base64.
    ///
    /// # Errors
    /// The end of a sentence that begins with the setting's name.
    pub fn new(keys: &[SecretString]) -> Result<Self, String> {
        let keys: Option<Vec<_>> = keys.iter().map(key).collect();
        match keys {
            Some(keys) if !keys.is_empty() => Ok(Self(Arc::new(keys))),
            _ => Err("must be 32 bytes in base64, as `openssl rand -base64 32` prints them".into()),
        }
    }

    /// Seals `secret`, which is `about` this.
    ///
    /// # Errors
    /// When the system has no random bytes to give.
    pub fn seal(&self, secret: &SecretString, about: &str) -> Result<String, Unsealed> {
        let key = self.0.first().ok_or(Unsealed)?;
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| Unsealed)?;
        let mut sealed = secret.expose_secret().as_bytes().to_vec();
        let aad = Aad::from(about.as_bytes());
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed).map_err(|_| Unsealed)?;
        Ok(format!("{VERSION}{}", STANDARD.encode([nonce.as_slice(), &sealed].concat())))
    }

    /// Opens what was sealed `about` this.
    pub fn open(&self, sealed: &str, about: &str) -> Result<SecretString, Unsealed> {
        self.try_keys(sealed, about).map(|(_, secret)| secret)
    }

    /// The same sealed with the first key; none when it is already.
    pub fn reseal(&self, sealed: &str, about: &str) -> Result<Option<String>, Unsealed> {
        match self.try_keys(sealed, about)? {
            (0, _) => Ok(None),
            (_, secret) => self.seal(&secret, about).map(Some),
        }
    }

    /// The secret, and which of the keys opened it.
    fn try_keys(&self, sealed: &str, about: &str) -> Result<(usize, SecretString), Unsealed> {
        let sealed = sealed.strip_prefix(VERSION).and_then(|sealed| STANDARD.decode(sealed).ok()).ok_or(Unsealed)?;
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN).ok_or(Unsealed)?;
        for (place, key) in self.0.iter().enumerate() {
            let mut opened = sealed.to_vec();
            let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unsealed)?;
            if let Ok(text) = key.open_in_place(nonce, Aad::from(about.as_bytes()), &mut opened) {
                let text = String::from_utf8(text.to_vec()).map_err(|_| Unsealed)?;
                return Ok((place, text.into()));
            }
        }
        Err(Unsealed)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("keys", &self.0.len()).finish()
    }
}

/// How it was sealed, should that ever change.
const VERSION: &str = "1:";

/// People generate keys with many tools: either alphabet, with or without the signs at the end.
fn key(secret: &SecretString) -> Option<LessSafeKey> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let text = secret.expose_secret().replace('-', "+").replace('_', "/");
    let bytes = LENIENT.decode(text).ok()?;
    UnboundKey::new(&CHACHA20_POLY1305, &bytes).ok().map(LessSafeKey::new)
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
    use super::*;

    fn sealer(keys: &[[u8; 32]]) -> Sealer {
        let keys: Vec<SecretString> = keys.iter().map(|key| STANDARD.encode(key).into()).collect();
        Sealer::new(&keys).expect("keys")
    }

    #[test]
    fn what_is_sealed_opens_with_its_key_and_about_its_matter_alone() {
        let sealer = sealer(&[[1; 32]]);
        let token = SecretString::from("lin_oauth_1 é");
        let sealed = sealer.seal(&token, "linear:org").expect("sealed");
        assert!(!sealed.contains("lin_oauth"));
        assert_ne!(sealed, sealer.seal(&token, "linear:org").expect("sealed"), "each has a nonce of its own");
        assert_eq!(sealer.open(&sealed, "linear:org").expect("opened").expose_secret(), "lin_oauth_1 é");
        assert!(sealer.open(&sealed, "linear:other").is_err());
        assert!(self::sealer(&[[2; 32]]).open(&sealed, "linear:org").is_err());
        let middle = sealed.len() / 2;
        let changed = if sealed.as_bytes()[middle] == b'A' { "B" } else { "A" };
        let changed = format!("{}{changed}{}", &sealed[..middle], &sealed[middle + 1..]);
        for broken in [changed.as_str(), &sealed[2..], "1:", "1:AAAA", "", "1:%%"] {
            assert!(sealer.open(broken, "linear:org").is_err(), "{broken}");
        }
    }

    #[test]
    fn a_key_is_replaced_by_putting_the_next_before_it() {
        let old = sealer(&[[1; 32]]);
        let both = sealer(&[[2; 32], [1; 32]]);
        let sealed = old.seal(&"token".into(), "x").expect("sealed");
        assert_eq!(both.open(&sealed, "x").expect("opened").expose_secret(), "token");
        let sealed = both.seal(&"token".into(), "x").expect("sealed");
        assert!(old.open(&sealed, "x").is_err());
        assert!(sealer(&[[2; 32]]).open(&sealed, "x").is_ok());
    }

    #[test]
    fn what_an_older_key_sealed_is_sealed_anew_and_then_left_alone() {
        let (old, both) = (sealer(&[[1; 32]]), sealer(&[[2; 32], [1; 32]]));
        let sealed = old.seal(&"token".into(), "x").expect("sealed");
        assert_eq!(both.reseal(&sealed, "y"), Err(Unsealed), "it is about something else");
        let anew = both.reseal(&sealed, "x").expect("opened").expect("sealed anew");
        assert_eq!(sealer(&[[2; 32]]).open(&anew, "x").expect("opened").expose_secret(), "token");
        assert_eq!(both.reseal(&anew, "x"), Ok(None));
        assert_eq!(sealer(&[[3; 32]]).reseal(&anew, "x"), Err(Unsealed));
    }

    #[test]
    fn a_key_has_32_bytes_in_base64() {
        let standard = STANDARD.encode([0xfb; 32]);
        let other_alphabet = standard.replace('+', "-").replace('/', "_");
        for key in [standard.as_str(), standard.trim_end_matches('='), &other_alphabet] {
            assert!(Sealer::new(&[key.into()]).is_ok(), "{key}");
        }
        for key in ["", "secret", &STANDARD.encode([1; 16]), &STANDARD.encode([1; 33])] {
            let error = Sealer::new(&[key.into()]).expect_err(key);
            assert!(key.is_empty() || !error.contains(key), "{error}");
        }
        assert!(Sealer::new(&[]).is_err());
        assert_eq!(format!("{:?}", sealer(&[[7; 32]])), "Sealer { keys: 1 }");
    }

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
