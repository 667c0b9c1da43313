// Light or dark: what was chosen, else what the system says.
//
// A plain script, so that it runs before the page is first painted.

(() => {
  const KEY = "baton theme";
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const present = () => root.dataset.theme ?? (system.matches ? "dark" : "light");
  const kept = localStorage.getItem(KEY);
  if (kept === "light" || kept === "dark") root.dataset.theme = kept;

  document.addEventListener("DOMContentLoaded", () => {
    const toggle = document.getElementById("theme");
    const tell = () => toggle.setAttribute("aria-pressed", String(present() === "dark"));
    toggle.addEventListener("click", () => {
      root.dataset.theme = present() === "dark" ? "light" : "dark";
      localStorage.setItem(KEY, root.dataset.theme);
      tell();
    });
    system.addEventListener("change", tell);
    tell();
  });
})();
