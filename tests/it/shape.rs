//! The shape of the code, as `src/lib.rs` draws it: which folder may use which, how long a file may
//! get, and that both databases have the same migrations. A failure names the line to look at.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Folders and files of `src`, each with what it may use of ours.
const ARROWS: [(&str, &[&str]); 21] = [
    ("time", &[]),
    ("ids", &[]),
    ("pace", &[]),
    ("http", &[]),
    ("secret", &[]),
    ("domain", &["ids", "time"]),
    ("storage", &["domain", "http", "ids", "time"]),
    ("door", &["storage", "time"]),
    ("installs", &["storage", "domain", "http", "secret", "time"]),
    ("slack", &["door", "installs", "storage", "domain", "http", "ids", "pace", "time"]),
    ("linear", &["door", "installs", "storage", "domain", "http", "ids", "pace", "time"]),
    ("oz", &["domain", "http", "ids", "pace", "time"]),
    ("config", &["domain", "secret"]),
    ("telemetry", &["config", "http", "time"]),
    ("manifest", &["config"]),
    ("delivery", &["slack", "linear", "oz", "storage", "domain", "http", "ids", "pace", "secret", "telemetry", "time"]),
    ("simulator", &["http", "ids", "time"]),
    ("web", &["door", "installs", "storage", "domain", "ids", "telemetry", "time"]),
    (
        "app",
        &[
            "web",
            "delivery",
            "door",
            "simulator",
            "installs",
            "linear",
            "slack",
            "oz",
            "storage",
            "domain",
            "config",
            "manifest",
            "telemetry",
            "secret",
            "ids",
            "time",
        ],
    ),
    (
        "cli",
        &[
            "app",
            "config",
            "delivery",
            "domain",
            "http",
            "ids",
            "installs",
            "linear",
            "manifest",
            "oz",
            "secret",
            "slack",
            "storage",
            "telemetry",
            "time",
            "web",
        ],
    ),
    ("main", &["cli"]),
];

/// Of production code; tests at the end of a file do not count.
const LONGEST_FILE: usize = 600;

#[test]
fn every_folder_uses_only_what_it_may() {
    let mut broken = Vec::new();
    for (path, text) in sources() {
        let name = area(&path);
        if name == "lib" {
            continue;
        }
        let Some((_, allowed)) = ARROWS.iter().find(|(area, _)| *area == name) else {
            broken.push(format!("{}: {name} has no arrows in tests/it/shape.rs", path.display()));
            continue;
        };
        for (number, used) in uses(&production(&text)) {
            if used != name && !allowed.contains(&used.as_str()) {
                broken.push(format!("{}:{number}: {name} may not use {used}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn the_domain_reaches_nothing_outside() {
    let forbidden = ["tokio", "sqlx", "reqwest", "axum", "tracing", "rand", "async", "uuid"];
    let mut broken = Vec::new();
    for (path, text) in sources().into_iter().filter(|(path, _)| area(path) == "domain") {
        for (number, line) in production(&text).lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let words: Vec<&str> = code.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
            if let Some(word) = forbidden.iter().find(|word| words.contains(word)) {
                broken.push(format!("{}:{}: the domain is pure, and this uses {word}", path.display(), number + 1));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

/// A request that goes another way is sent also when its sender's lease has ended.
#[test]
fn requests_leave_by_one_door() {
    let mut sent = Vec::new();
    for (path, text) in sources().into_iter().filter(|(path, _)| !matches!(area(path).as_str(), "http" | "simulator")) {
        for (number, line) in production(&text).lines().enumerate().filter(|(_, line)| line.contains(".send()")) {
            sent.push(format!("{}:{}: {}: `http::send` sends", path.display(), number + 1, line.trim()));
        }
    }
    assert!(sent.is_empty(), "\n{}", sent.join("\n"));
}

#[test]
fn every_file_says_what_it_is_and_fits_a_reader() {
    let mut broken = Vec::new();
    for (path, text) in sources() {
        let length = production(&text).lines().count();
        if length > LONGEST_FILE {
            broken.push(format!("{}: {length} lines, {LONGEST_FILE} are the most", path.display()));
        }
        if !text.starts_with("//!") {
            broken.push(format!("{}: does not begin by saying what it is", path.display()));
        }
        if text.contains(&["TO", "DO"].concat()) {
            broken.push(format!("{}: leaves something to do", path.display()));
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn both_databases_have_the_same_migrations() {
    let names = |engine: &str| {
        let mut names: Vec<_> = fs::read_dir(root().join("migrations").join(engine))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert!(!names("sqlite").is_empty());
    assert_eq!(names("sqlite"), names("postgres"));
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file of `src` but the files of tests, by its path from there.
fn sources() -> Vec<(PathBuf, String)> {
    let source = root().join("src");
    let mut folders = vec![source.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let path = path.strip_prefix(&source).unwrap().to_owned();
                let is_test = path.iter().any(|part| part == "tests" || part == "tests.rs");
                if !is_test {
                    found.push((path.clone(), fs::read_to_string(source.join(&path)).unwrap()));
                }
            }
        }
    }
    assert!(found.len() > 50, "the sources are not where they were");
    found.sort();
    found
}

/// The folder, or the file at the top.
fn area(path: &Path) -> String {
    path.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// A file without its tests.
fn production(text: &str) -> String {
    text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned()
}

/// What a file uses of ours, with the line: `crate::x::y`, and the names of `use crate::{x::y, z}`.
fn uses(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    // How many braces are open inside `use crate::{`.
    let mut depth = 0_usize;
    for (number, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        let mut rest = code;
        if depth == 0 {
            while let Some(at) = rest.find("crate::") {
                rest = &rest[at + "crate::".len()..];
                if rest.starts_with('{') {
                    break;
                }
                found.push((number + 1, word(rest)));
            }
            if !rest.starts_with('{') || !code.contains("crate::{") {
                continue;
            }
        }
        let mut expecting = depth == 1;
        for (at, c) in rest.char_indices() {
            match c {
                '{' => {
                    depth += 1;
                    expecting = depth == 1;
                }
                '}' => depth -= 1,
                ',' if depth == 1 => expecting = true,
                c if expecting && c.is_alphabetic() => {
                    found.push((number + 1, word(&rest[at..])));
                    expecting = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    found.retain(|(_, used)| !used.is_empty() && used.chars().next().is_some_and(char::is_lowercase));
    found
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn the_check_sees_what_a_file_uses() {
    let text = "use crate::{\n    domain::{run::Mode, text},\n    ids::RunId,\n};\nuse crate::time::Clock;\nfn f() -> crate::pace::Pace {}\n";
    let used: Vec<_> = uses(text).into_iter().map(|(_, used)| used).collect();
    assert_eq!(used, ["domain", "ids", "time", "pace"]);
}

#[test]
fn every_test_that_the_threat_model_names_is_there() {
    let text = fs::read_to_string(root().join("docs/security.md")).unwrap();
    let spans = text.split('`').skip(1).step_by(2);
    let is_name =
        |span: &&str| span.matches('_').count() >= 3 && span.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let named: Vec<&str> = spans.filter(is_name).collect();
    assert!(named.len() > 50, "the names are not where they were: {named:?}");
    let mut tests = String::new();
    let mut folders = vec![root().join("src"), root().join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                tests += &fs::read_to_string(path).unwrap();
            }
        }
    }
    let missing = named.iter().filter(|name| {
        let forms =
            [format!("fn {name}()"), format!("on_both!({name},"), format!("\n    {name},\n"), format!("fn {name}(")];
        !forms.iter().any(|form| tests.contains(form.as_str()))
    });
    assert_eq!(missing.collect::<Vec<_>>(), [&""; 0]);
}
