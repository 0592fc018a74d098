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
  // Asked for while the page's own script is still on its way: nothing can be shown without it.
  window.firstIndex = fetch("./api/runs", { cache: "no-store" });
  window.firstIndex.catch(function () {});
})();
