//! Small things that are done to text: cutting it where a person would, and telling lengths of time.

use std::time::Duration;

use unicode_segmentation::UnicodeSegmentation;

/// At most `max` characters as people see them; what is cut off ends in an ellipsis.
#[must_use]
pub fn shorten(text: &str, max: usize) -> String {
    if text.len() <= max || text.graphemes(true).nth(max).is_none() {
        return text.to_owned();
    }
    let mut kept: String = text.graphemes(true).take(max.saturating_sub(1)).collect();
    kept.truncate(kept.trim_end().len());
    kept.push('…');
    kept
}

/// The first line that says anything, shortened.
#[must_use]
pub fn first_line(text: &str, max: usize) -> String {
    shorten(text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default(), max)
}

/// `45 s`, `12 min`, `3 h 05 min`, `2 d 4 h`.
#[must_use]
pub fn duration(length: Duration) -> String {
    let secs = length.as_secs();
    match (secs / 86_400, secs / 3600 % 24, secs / 60 % 60) {
        (0, 0, 0) => format!("{secs} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes:02} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// `1 child`, `3 children`.
#[must_use]
pub fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// `a`, `a and b`, `a, b and c`.
#[must_use]
pub fn list<S: AsRef<str>>(items: &[S]) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_never_splits_what_a_person_sees_as_one_character() {
        assert_eq!(shorten("abc", 3), "abc");
        assert_eq!(shorten("abcd", 3), "ab…");
        assert_eq!(shorten("👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦", 2), "👩‍👩‍👧‍👦…");
        assert_eq!(first_line("\n  \n one \n two", 10), "one");
    }

    #[test]
    fn lengths_and_lists_read_well() {
        assert_eq!(duration(Duration::from_secs(45)), "45 s");
        assert_eq!(duration(Duration::from_mins(185)), "3 h 05 min");
        assert_eq!(duration(Duration::from_hours(52)), "2 d 4 h");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
    }
}
