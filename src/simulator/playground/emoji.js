// The emoji that messages of ours and of a demonstration use, by Slack's names.
//
// A name that is not here is shown as it was written.

const EMOJI = {
  "+1": "👍", "-1": "👎", alarm_clock: "⏰", arrow_down: "⬇️", arrow_forward: "▶️", arrow_right: "➡️",
  arrow_up: "⬆️", arrows_counterclockwise: "🔄", baton: "🏃", beetle: "🪲", bell: "🔔", black_circle: "⚫",
  black_square_for_stop: "⏹️", books: "📚", bookmark_tabs: "📑", boom: "💥", broom: "🧹", bug: "🐛",
  bulb: "💡", calendar: "📅", camera: "📷", camera_with_flash: "📸", chart_with_upwards_trend: "📈",
  checkered_flag: "🏁", clap: "👏", clipboard: "📋", clock1: "🕐", clock3: "🕒", cloud: "☁️", computer: "💻",
  construction: "🚧", eyes: "👀", exclamation: "❗", fast_forward: "⏩", file_folder: "📁", fire: "🔥",
  floppy_disk: "💾", frame_with_picture: "🖼️", gear: "⚙️", green_circle: "🟢", grey_question: "❔", grin: "😁",
  hammer: "🔨", hammer_and_wrench: "🛠️", hand: "✋", heart: "❤️", heavy_check_mark: "✔️",
  heavy_minus_sign: "➖", heavy_multiplication_x: "✖️", hourglass: "⌛", hourglass_flowing_sand: "⏳",
  inbox_tray: "📥", information_source: "ℹ️", jigsaw: "🧩", key: "🔑", label: "🏷️", large_blue_circle: "🔵",
  large_green_circle: "🟢", large_orange_circle: "🟠", large_red_circle: "🔴", large_yellow_circle: "🟡",
  link: "🔗", lock: "🔒", mag: "🔍", mega: "📣", memo: "📝", merge: "🔀", moneybag: "💰",
  negative_squared_cross_mark: "❎", no_entry: "⛔", no_entry_sign: "🚫", ok: "🆗", ok_hand: "👌",
  octagonal_sign: "🛑", outbox_tray: "📤", package: "📦", page_facing_up: "📄", paperclip: "📎", partying_face: "🥳",
  pause_button: "⏸️", pencil: "📝", pencil2: "✏️", play_or_pause_button: "⏯️", point_right: "👉", pray: "🙏",
  pushpin: "📌", question: "❓", racehorse: "🐎", raised_hand: "✋", raising_hand: "🙋", recycle: "♻️", red_circle: "🔴",
  repeat: "🔁", robot_face: "🤖", rocket: "🚀", rotating_light: "🚨", runner: "🏃", seedling: "🌱", shield: "🛡️",
  slightly_smiling_face: "🙂", smile: "😄", snail: "🐌", sparkles: "✨", speech_balloon: "💬", stop_button: "⏹️",
  stop_sign: "🛑", stopwatch: "⏱️", tada: "🎉", test_tube: "🧪", thinking_face: "🤔", thread: "🧵", thumbsdown: "👎",
  thumbsup: "👍", timer_clock: "⏲️", traffic_light: "🚥", twisted_rightwards_arrows: "🔀", unlock: "🔓", warning: "⚠️",
  wastebasket: "🗑️", wave: "👋", white_check_mark: "✅", white_circle: "⚪", white_large_square: "⬜", wrench: "🔧",
  x: "❌", yellow_circle: "🟡", zap: "⚡", zzz: "💤",
};

/** The emoji of that name, or the name between colons. */
export function emoji(name) {
  return Object.hasOwn(EMOJI, name) ? EMOJI[name] : `:${name}:`;
}

/** Whether there is an emoji of that name. */
export function isEmoji(name) {
  return Object.hasOwn(EMOJI, name);
}
