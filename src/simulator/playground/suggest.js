// What a composer offers while something is typed: commands, people and channels.
//
// Pure: from the text, the caret and the simulator's state to a list. Shown by `composer.js`.

/**
 * @typedef {{insert: string, title: string, detail: string, from: number, to: number}} Suggestion
 * Choosing it puts `insert` in place of the text from `from` to `to`.
 */

/**
 * @returns {{items: Suggestion[], hint: string | null}} `hint` is a line about what stands there already
 */
export function suggest(text, caret, scene, inThread) {
  const before = text.slice(0, caret);
  const command = /^\/(\S*)$/.exec(before);
  if (command) return inThread ? onlyHint(THREADS) : { items: commands(before, text, scene), hint: null };
  const name = /^(\/\S+)\s/.exec(before)?.[1];
  const known = name && scene.commands.find((each) => each.name === name);
  const word = /(?:^|\s)([@#])([\w-]*)$/.exec(before);
  const items = word ? named(word[1], word[2], caret, scene) : [];
  if (known && inThread) return onlyHint(THREADS);
  return { items, hint: known ? [known.name, known.usage].filter(Boolean).join(" ") : null };
}

/** The command that a text is, if it is one: `{name, rest, known}`. */
export function asCommand(text, scene) {
  const match = /^(\/[a-z][\w-]*)(?:\s+([\s\S]*))?$/.exec(text.trim());
  if (!match) return null;
  const [, name, rest = ""] = match;
  return { name, rest, known: scene.commands.some((command) => command.name === name) };
}

export const THREADS = "Slack does not run commands in threads. Mention @baton here instead.";

function onlyHint(hint) {
  return { items: [], hint };
}

function commands(typed, text, scene) {
  return scene.commands
    .filter(({ name }) => name.startsWith(typed.toLowerCase()))
    .map(({ name, usage, description }) => ({
      insert: `${name} `,
      title: [name, usage].filter(Boolean).join(" "),
      detail: description ?? "",
      from: 0,
      // What follows the command's name is kept, but not its first space twice.
      to: typed.length + (text[typed.length] === " " ? 1 : 0),
    }));
}

function named(sign, typed, caret, scene) {
  const people = scene.users
    .filter(({ id }) => id !== scene.me.id)
    .sort((a, b) => Number(b.is_bot) - Number(a.is_bot))
    .map(({ name, handle, is_bot }) => ({ word: handle, about: is_bot ? `${name}, the app` : name }));
  const places = scene.channels.filter(({ is_dm }) => !is_dm).map(({ name }) => ({ word: name, about: "" }));
  const matches = (text) => text.toLowerCase().startsWith(typed.toLowerCase());
  return (sign === "@" ? people : places)
    .filter(({ word, about }) => matches(word) || matches(about))
    .map(({ word, about }) => ({
      insert: `${sign}${word} `,
      title: `${sign}${word}`,
      detail: about,
      from: caret - typed.length - 1,
      to: caret,
    }));
}
