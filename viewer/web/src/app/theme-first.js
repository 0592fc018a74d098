// Runs before the first paint; theme.svelte.ts takes over from here, and api.ts takes the answer.
(function () {
  var choice = null;
  try {
    choice = localStorage.getItem("tallyboard.theme");
  } catch (_) {
    // Storage may be forbidden; the system's choice stands.
  }
  var dark = choice === "dark" || (choice !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  // Asked for while the page's own script is still on its way: nothing can be shown without it. What takes no longer to
  // read is waited for, and so drawn once.
  window.firstIndex = fetch("./api/runs?wait=0.4", { cache: "no-store" });
  window.firstIndex.catch(function () {});
})();
