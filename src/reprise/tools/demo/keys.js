// Keys of the tabs of corrections: an element of the class key-X that can be seen is used by the key X.
// A button is pressed, a field gets the cursor, a sound plays or pauses. In a field keys are letters; Escape leaves it.
(() => {
  const NAMES = {ArrowLeft: "left", ArrowRight: "right"};
  const FIELDS = "input:not([type=radio], [type=checkbox], [type=range]), textarea, select, [contenteditable]";
  const OWN_ARROWS = "input, audio, [role=slider], [role=listbox]";  // what arrows move in themselves

  function use(element) {
    if (element.tagName === "AUDIO") {
      const starts = element.paused;
      document.querySelectorAll("audio").forEach((other) => other.pause());
      if (starts) element.play();
      return;
    }
    const field = element.querySelector("input, textarea");
    if (field) field.focus();
    else element.click();
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.defaultPrevented) return;
    if (event.target.closest(FIELDS)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const key = NAMES[event.key] || event.key.toLowerCase();
    if (!/^[a-z0-9]+$/.test(key) || (NAMES[event.key] && event.target.closest(OWN_ARROWS))) return;
    const seen = [...document.querySelectorAll(`.key-${key}`)].find((each) => each.offsetParent !== null);
    if (!seen) return;
    event.preventDefault();
    use(seen);
  });
})();
