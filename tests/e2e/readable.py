"""What axe finds, and the contrast of every text as it is shown: for the tests of who can read the page."""

from __future__ import annotations

from playwright.sync_api import Page

LEAST_CONTRAST = 4.5

FAULTS = """async () => {
    const { violations } = await axe.run(document, { resultTypes: ["violations"], preload: false });
    return violations
        .filter(({ impact }) => impact === "serious" || impact === "critical")
        .flatMap(({ id, help, nodes }) => nodes.map(({ target }) => `${id}: ${help}: ${target.join(" ")}`));
}"""

# Every text that is painted, with the colours that its ancestors and their opacities make of it and of its ground.
CONTRASTS = """() => {
    const numbers = (colour) => {
        const parts = colour.match(/[\\d.]+/g).map(Number);
        const scale = colour.startsWith("color(") ? 255 : 1;
        return [parts[0] * scale, parts[1] * scale, parts[2] * scale, parts[3] ?? 1];
    };
    const over = ([r, g, b, a], ground) => [r, g, b].map((part, i) => part * a + ground[i] * (1 - a));
    const luminance = (colour) => {
        const [r, g, b] = colour.map((part) => {
            const share = part / 255;
            return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const seen = [];
    const note = (element, colour, text) => {
        const chain = [];
        for (let at = element; at; at = at.parentElement) chain.unshift(getComputedStyle(at));
        let ground = [255, 255, 255];
        let opacity = 1;
        for (const style of chain) {
            ground = over(numbers(style.backgroundColor), ground);
            opacity *= Number(style.opacity);
        }
        const [r, g, b, a] = numbers(colour);
        const ink = over([r, g, b, a * opacity], ground);
        const [dark, light] = [luminance(ink), luminance(ground)].sort((one, other) => one - other);
        seen.push([text.trim().slice(0, 60), Math.round(((light + 0.05) / (dark + 0.05)) * 100) / 100]);
    };
    const painted = (element) =>
        element.checkVisibility({ visibilityProperty: true, opacityProperty: true }) &&
        !element.closest(":disabled, [aria-disabled=true], .unseen, noscript");
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
        const element = walk.currentNode.parentElement;
        if (!walk.currentNode.data.trim() || !painted(element)) continue;
        const { color, fill } = getComputedStyle(element);
        if (element.closest("svg") === null) note(element, color, walk.currentNode.data);
        else if (fill !== "none") note(element, fill, walk.currentNode.data);
    }
    for (const field of document.querySelectorAll("input, select, textarea")) {
        if (!painted(field)) continue;
        if (field.placeholder) note(field, getComputedStyle(field, "::placeholder").color, field.placeholder);
        const typed = /text|search|number/.test(field.type) ? field.value : "";
        if (typed) note(field, getComputedStyle(field).color, typed);
    }
    return seen;
}"""

# What glides or fades in is judged where it comes to rest.
AT_REST = "() => Promise.all(document.getAnimations().map((one) => one.finished.catch(() => null)))"


def too_pale(page: Page) -> list[tuple[str, float]]:
    """Texts that are too much like their ground, and their contrast with it."""
    contrasts: list[tuple[str, float]] = page.evaluate(CONTRASTS)
    assert len(contrasts) > 8
    return [(text, ratio) for text, ratio in contrasts if ratio < LEAST_CONTRAST]


def check(page: Page, axe: str, where: str) -> None:
    """No serious or critical fault, and every text readable, in what the page shows now."""
    if not page.evaluate("() => 'axe' in window"):  # half a megabyte, which need not be read for each of many panels
        page.evaluate(f"() => {{ {axe} }}")
    page.evaluate(AT_REST)
    assert not (faults := page.evaluate(FAULTS)), f"{where}: {faults}"
    assert not (pale := too_pale(page)), f"{where}: {pale}"


def check_both(page: Page, axe: str, where: str) -> None:
    """The same as `check`, and once more every contrast, in the other theme: names and roles have none."""
    check(page, axe, where)
    page.emulate_media(color_scheme="light")
    page.locator("html[data-theme=light]").wait_for(state="attached")
    page.evaluate(AT_REST)
    assert not (pale := too_pale(page)), f"{where}, light: {pale}"
    page.emulate_media(color_scheme="dark")
    page.locator("html[data-theme=dark]").wait_for(state="attached")
