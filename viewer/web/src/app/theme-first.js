// Runs before the first paint; theme.svelte.ts takes over from here.
(function () {
  var choice = null;
  try {
    choice = localStorage.getItem("tallyboard.theme");
  } catch (_) {
    // Storage may be forbidden; the system's choice stands.
  }
  var dark = choice === "dark" || (choice !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
})();
