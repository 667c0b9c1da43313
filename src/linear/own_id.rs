//! Ids that we give to what we create. Linear refuses to create the same id twice, so that whatever
//! carries one can be sent again without doing harm.

use sha2::{Digest, Sha256};

/// A UUID, version 4 in its form, that follows from its parts alone.
#[must_use]
pub fn own_id(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // The length first, so that ("ab", "c") and ("a", "bc") differ.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut bytes = [0; 16];
    for (byte, of_hash) in bytes.iter_mut().zip(hash.finalize()) {
        *byte = of_hash;
    }
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_version_4_uuid_and_follows_from_its_cause() {
        for number in 0..100 {
            let id = own_id(&["d1", &number.to_string()]);
            let read = uuid::Uuid::parse_str(&id).expect("a UUID");
            assert_eq!((read.get_version_num(), read.get_variant()), (4, uuid::Variant::RFC4122), "{id}");
            assert_eq!(id, own_id(&["d1", &number.to_string()]));
        }
        assert_ne!(own_id(&["ab", "c"]), own_id(&["a", "bc"]));
    }
}
