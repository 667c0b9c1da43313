//! What a person sees of blocks: lines of text, and the things that can be clicked.

use serde_json::Value;

use super::{
    BOT_USER,
    elements::INTERACTIVE,
    world::{ChannelKind, World},
};

/// An element that a person can use, and the block it is in.
#[derive(Clone, Debug)]
pub struct Usable {
    pub block_id: String,
    pub element: Value,
}

impl Usable {
    pub fn action_id(&self) -> &str {
        self.element["action_id"].as_str().unwrap_or_default()
    }

    pub fn label(&self) -> &str {
        self.element["text"]["text"].as_str().or(self.element["placeholder"]["text"].as_str()).unwrap_or_default()
    }
}

/// Everything that can be used in these blocks, in the order in which it is shown.
pub fn usables(blocks: &[Value]) -> Vec<Usable> {
    let mut found = Vec::new();
    for block in blocks {
        let block_id = block["block_id"].as_str().unwrap_or_default();
        let elements = block["elements"].as_array().into_iter().flatten();
        for element in elements.chain([&block["accessory"], &block["element"]]) {
            if element["type"].as_str().is_some_and(|kind| INTERACTIVE.contains(&kind)) {
                found.push(Usable { block_id: block_id.to_owned(), element: element.clone() });
            }
        }
    }
    found
}

/// Blocks as lines. What can be clicked is in square brackets.
pub fn lines(world: &World, blocks: &[Value]) -> Vec<String> {
    let mut lines = Vec::new();
    for block in blocks {
        let before = lines.len();
        match block["type"].as_str().unwrap_or_default() {
            "header" => lines.push(format!("# {}", plain(&block["text"]))),
            "section" => {
                lines.extend(text_lines(world, &block["text"]));
                for field in block["fields"].as_array().into_iter().flatten() {
                    lines.push(text_lines(world, field).join(" "));
                }
            }
            "divider" => lines.push("---".to_owned()),
            "context" => {
                let elements = block["elements"].as_array().into_iter().flatten();
                let texts: Vec<String> = elements.map(|element| text_lines(world, element).join(" ")).collect();
                lines.push(format!("({})", texts.join(" ")));
            }
            "markdown" => lines.extend(plain(&block["text"]).lines().map(str::to_owned)),
            "rich_text" => lines.extend(rich_text(world, block).trim_end().lines().map(str::to_owned)),
            "image" => lines.push(format!("(image: {})", plain(&block["alt_text"]))),
            "input" => lines.push(format!("{}:", plain(&block["label"]))),
            "table" => lines.extend(table(world, block)),
            "actions" | "context_actions" => {}
            other => lines.push(format!("({other})")),
        }
        let clickable: Vec<String> =
            usables(std::slice::from_ref(block)).iter().map(|usable| format!("[{}]", usable.label())).collect();
        if !clickable.is_empty() {
            let on_the_side = block["type"] == "section" || block["type"] == "input";
            match lines.last_mut().filter(|_| on_the_side) {
                Some(line) if before < line.len() => {
                    line.push(' ');
                    line.push_str(&clickable.join(" "));
                }
                _ => lines.push(clickable.join(" ")),
            }
        }
    }
    lines
}

/// mrkdwn as it is shown: names for ids, a link's label with its address, escapes undone.
pub fn readable(world: &World, mrkdwn: &str) -> String {
    let mut shown = String::new();
    let mut rest = mrkdwn;
    while let Some(start) = rest.find('<') {
        let Some(length) = rest[start..].find('>') else { break };
        shown.push_str(&unescaped(&rest[..start]));
        shown.push_str(&token(world, &rest[start + 1..start + length]));
        rest = &rest[start + length + 1..];
    }
    shown.push_str(&unescaped(rest));
    shown
}

/// The name that people see for a user's or bot's id.
pub fn name_of<'a>(world: &'a World, id: &'a str) -> &'a str {
    match id {
        BOT_USER | super::BOT_ID => "Baton",
        super::OTHER_BOT_ID => "Other Bot",
        _ => world.user(id).map_or(id, |user| user.name),
    }
}

pub fn channel_name_of<'a>(world: &'a World, id: &'a str) -> &'a str {
    world.channel(id).filter(|channel| channel.kind != ChannelKind::Direct).map_or(id, |channel| channel.name.as_str())
}

pub fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// What stands between `<` and `>`.
fn token(world: &World, token: &str) -> String {
    let (target, label) = token.split_once('|').map_or((token, None), |(target, label)| (target, Some(label)));
    if let Some(id) = target.strip_prefix('@') {
        format!("@{}", name_of(world, id))
    } else if let Some(id) = target.strip_prefix('#') {
        format!("#{}", channel_name_of(world, id))
    } else if target.starts_with("!date^") {
        "(time)".to_owned()
    } else if let Some(range) = target.strip_prefix('!') {
        format!("@{}", label.unwrap_or(range))
    } else {
        match label.filter(|label| !label.is_empty()) {
            Some(label) => format!("{} ({})", unescaped(label), unescaped(target)),
            None => unescaped(target),
        }
    }
}

fn text_lines(world: &World, text: &Value) -> Vec<String> {
    let raw = plain(&text["text"]);
    let shown = if text["type"] == "mrkdwn" { readable(world, raw) } else { raw.to_owned() };
    shown.lines().map(str::to_owned).collect()
}

/// A string, or a text object's.
fn plain(value: &Value) -> &str {
    value.as_str().or(value["text"].as_str()).unwrap_or_default()
}

fn rich_text(world: &World, value: &Value) -> String {
    let inner = || -> String {
        value["elements"].as_array().into_iter().flatten().map(|element| rich_text(world, element)).collect()
    };
    match value["type"].as_str().unwrap_or_default() {
        "text" => plain(value).to_owned(),
        "user" => format!("@{}", name_of(world, plain(&value["user_id"]))),
        "channel" => format!("#{}", channel_name_of(world, plain(&value["channel_id"]))),
        "broadcast" => format!("@{}", plain(&value["range"])),
        "emoji" => format!(":{}:", plain(&value["name"])),
        "date" => "(time)".to_owned(),
        "link" => match value["text"].as_str() {
            Some(label) => format!("{label} ({})", plain(&value["url"])),
            None => plain(&value["url"]).to_owned(),
        },
        "rich_text_quote" => format!("> {}\n", inner()),
        "rich_text_list" => {
            let items = value["elements"].as_array().into_iter().flatten();
            items.map(|item| format!("• {}\n", rich_text(world, item).trim_end())).collect::<Vec<_>>().concat()
        }
        _ => format!("{}\n", inner()),
    }
}

fn table(world: &World, block: &Value) -> Vec<String> {
    let rows = block["rows"].as_array().into_iter().flatten();
    rows.map(|row| {
        let cells = row.as_array().into_iter().flatten();
        let cells: Vec<String> = cells
            .map(|cell| match cell["type"].as_str() {
                Some("rich_text") => rich_text(world, cell).trim().to_owned(),
                _ => plain(cell).to_owned(),
            })
            .collect();
        cells.join(" | ")
    })
    .collect()
}
