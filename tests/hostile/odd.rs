//! JSON as nobody would write it, and words as people do: properties over what proptest makes up,
//! which it shrinks to the least that fails.

use proptest::{prelude::*, sample::Index};
use serde_json::{Map, Value, json};

use super::{corpus, parsers};
use baton::domain::{
    options,
    proposal::{self, ChildSpec, Content, Digest, Found},
    run::RunSettings,
};

/// Any JSON, of a size that people can look at.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        ".{0,12}".prop_map(Value::from),
        Just(json!("<@UBATON> @baton \u{0}\u{202e}")),
        Just(json!("x".repeat(5_000))),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("type|id|text|user|content|role|[a-z_]{1,6}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// The pointers to all values within.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                places(value, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(number, item)| places(item, &format!("{at}/{number}"), found));
        }
        _ => {}
    }
}

/// One of the JSON bodies of a corpus with other values in some places.
fn changed(name: &str, file: Index, changes: Vec<(Index, Value)>) -> Value {
    let bodies: Vec<Value> = corpus(name).iter().filter_map(|(_, bytes)| serde_json::from_slice(bytes).ok()).collect();
    let mut body = file.get(&bodies).clone();
    for (place, value) in changes {
        let mut all = Vec::new();
        places(&body, "", &mut all);
        *body.pointer_mut(place.get(&all[..]).as_str()).unwrap() = value;
    }
    body
}

fn child() -> impl Strategy<Value = ChildSpec> {
    let maybe = || prop::option::of(".{1,20}");
    ("[a-zé 0-9-]{1,20}", "(.|\n|```){1,60}", maybe(), maybe(), maybe())
        .prop_map(|(name, prompt, returns, environment, model)| ChildSpec { name, prompt, returns, environment, model })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn other_values_in_some_places_are_read(
        name in prop::sample::select(vec!["slack", "linear", "oz"]),
        file in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), json()), 1..4),
    ) {
        let body = changed(name, file, changes).to_string();
        match name {
            "slack" => {
                parsers::slack(body.as_bytes());
                let payload = url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", &body).finish();
                parsers::slack(payload.as_bytes());
            }
            "linear" => parsers::linear(body.as_bytes()),
            _ => parsers::oz(body.as_bytes()),
        }
    }

    #[test]
    fn what_is_typed_is_read(text in "(each:|env:|max:|parallel:|edit |approve v|reject v|stop|show |\"|,|:| |\n|[0-9a-f]{1,12}|.){0,20}") {
        parsers::words(text.as_bytes());
    }

    #[test]
    fn what_is_shown_is_harmless(
        text in "(@baton|<@U1>|<!here>|<|>|&|\\||\\[|\\]|\\(|\\)|!|`{1,4}|\\*|_|~|\\\\|\n|\n\n|- |# |> |https?://|linear.app/acme/profiles/baton|%70|é|[a-z]){0,40}",
        times in 1usize..20,
    ) {
        parsers::rendering(text.as_bytes());
        parsers::rendering(text.repeat(times).as_bytes());
    }

    /// What an agent proposes as we ask for it is what people are shown, and nothing is lost between
    /// the fences.
    #[test]
    fn what_is_proposed_is_found(children in prop::collection::vec(child(), 1..6), before in ".{0,30}", after in ".{0,30}") {
        let block = json!({"children": children}).to_string();
        let text = format!("{before}\n```baton-proposal\n{block}\n```\n{after}");
        match proposal::find(&text) {
            Found::Proposal(content) => {
                prop_assert_eq!(content.children(), &children[..]);
                prop_assert_eq!(proposal::fault(&children), None);
            }
            Found::Unusable(reason) => prop_assert_eq!(proposal::fault(&children), Some(reason)),
            Found::Nothing => prop_assert!(false, "not found in {text}"),
        }
        parsers::proposal(text.as_bytes());
    }

    /// Whatever is changed in a child is another digest.
    #[test]
    fn a_digest_covers_every_word(
        children in prop::collection::vec(child(), 1..4), at in any::<Index>(), other in child(), settings in ".{1,9}",
    ) {
        let digest = |children: &[ChildSpec], settings: &RunSettings| {
            Digest::of("task", settings, &Content::Children { summary: None, children: children.to_vec() })
        };
        let default = RunSettings::default();
        let first = digest(&children, &default);
        let mut changed = children.clone();
        changed[at.index(children.len())] = other;
        prop_assert_eq!(digest(&changed, &default) == first, changed == children);
        changed.clone_from(&children);
        changed.rotate_left(1);
        prop_assert_eq!(digest(&changed, &default) == first, changed == children);
        prop_assert_ne!(digest(&children, &RunSettings { model: Some(settings), ..RunSettings::default() }), first);
    }

    /// An approval is never guessed: only the very words that were offered are one.
    #[test]
    fn a_decision_with_a_letter_more_or_less_is_none(version in 1u32..500, digest in "[0-9a-f]{12}", at in any::<Index>(), extra in "[a-z0-9 ]") {
        let words = format!("approve v{version} {digest}");
        prop_assert!(options::read_option(&words).is_some());
        let at = at.index(words.len());
        let (head, tail) = words.split_at(at);
        for near in [format!("{head}{}", &tail[1..]), format!("{head}{extra}{tail}")] {
            let read = options::read_option(&near);
            let same = near.trim() == words;
            prop_assert!(same || read.is_none() || read != options::read_option(&words), "{near}");
        }
    }
}
