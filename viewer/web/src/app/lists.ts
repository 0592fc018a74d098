/** A list that the pointer chose from, or that Esc is pressed in, is let go of: keys would choose from it. */
function letListsGo(target: Window): void {
  let pointed = false;
  const letGo = ({ target: list }: Event): void => {
    if (pointed && list instanceof HTMLSelectElement) list.blur();
  };
  target.addEventListener("pointerdown", () => (pointed = true));
  target.addEventListener("change", letGo);
  target.addEventListener("keydown", (event) => {
    pointed = event.key === "Escape";
    letGo(event);
  });
}

letListsGo(window);

export {};
