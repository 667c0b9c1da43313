// What a page asks of the simulated platform it shows.
//
// Requests and answers are JSON; the address stands in the page's head. Called by the page, which
// hands the rest of the page functions that act.

const BASE = document.querySelector('meta[name="api-base"]').content;

/** Waiting between attempts to reach the server again, in milliseconds. */
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 5000;

/** All that `user` can see; the simulator's first user, if it does not know that one. */
export async function fetchState(user) {
  const get = (query) => fetch(`${BASE}/state${query}`, { cache: "no-store" });
  let response = await get(`?user=${encodeURIComponent(user)}`);
  if (response.status === 400) response = await get("");
  if (!response.ok) throw new Error(`the simulator answered ${response.status}`);
  return response.json();
}

/**
 * Does what the platform's own client would do for its user. Never throws: an answer that did not come is
 * `{ok: false, error}` like one that refuses.
 *
 * @returns {Promise<{ok: boolean, status?: number, error?: string, errors?: Object<string, string>}>} `error`: a
 *   sentence for the person; `errors`: one for each block of a view that was sent
 */
export async function post(action, body) {
  try {
    const response = await fetch(`${BASE}/${action}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return response.ok ? await response.json() : { ok: false, error: `The simulator answered ${response.status}.` };
  } catch {
    return { ok: false, error: "The simulator cannot be reached." };
  }
}

/**
 * Calls `changed` whenever there may be something new, and `linked` with whether changes arrive.
 * A stream that ends is opened again for as long as the page is.
 */
export function watch(changed, linked) {
  let pause = FIRST_PAUSE;
  const open = () => {
    const stream = new EventSource(`${BASE}/changes`);
    stream.addEventListener("open", () => {
      pause = FIRST_PAUSE;
      linked(true);
    });
    // The first one comes at once.
    stream.addEventListener("changed", changed);
    stream.addEventListener("error", () => {
      // The browser's own attempts stop for good after some answers; ours do not.
      stream.close();
      linked(false);
      setTimeout(open, pause);
      pause = Math.min(pause * 2, LONGEST_PAUSE);
    });
  };
  open();
}
