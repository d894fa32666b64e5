"use strict";
// Everything works by delegation, as the texts come after this script. Texts are only ever moved
// as text, never as markup.
(() => {
  const page = document.documentElement;
  page.classList.add("js");

  // The verdict under the mouse, the one that the keyboard is on, and the one that was pressed.
  let hovered = null;
  let focused = null;
  let pressed = null;
  let shown = null;
  let lit = [];
  let rows = []; // of the actors whose mention is under the mouse

  const sectionOf = (element) => element.closest("section.text");
  const columnOf = (element) => element.closest("[data-column]").dataset.column;

  function lightUp(elements, name) {
    for (const element of elements) {
      element.classList.add(name);
      lit.push([element, name]);
    }
  }

  function putOut() {
    for (const [element, name] of lit) element.classList.remove(name);
    lit = [];
  }

  // Mark a text's mentions by the actors' stances on the target of a column.
  function paint(section, column) {
    if ((section.dataset.painted ?? "0") === column) return;
    section.dataset.painted = column;
    const kinds = new Map();
    for (const cell of section.querySelectorAll(`td[data-column="${column}"]`)) {
      kinds.set(cell.parentElement.dataset.actor, cell.dataset.kind);
    }
    for (const mark of section.querySelectorAll("mark")) {
      const actors = mark.dataset.actors.split(" ");
      const found = new Set(actors.map((actor) => kinds.get(actor)).filter(Boolean));
      if (found.size) mark.dataset.kind = found.size === 1 ? [...found][0] : "mixed";
      else delete mark.dataset.kind;
    }
    for (const head of section.querySelectorAll("th[data-column]")) {
      const chosen = head.dataset.column === column;
      head.querySelector(".choose")?.setAttribute("aria-pressed", String(chosen));
      if (chosen) section.querySelector("q.chosen").textContent = head.textContent;
    }
  }

  function repaint(section) {
    const inside = shown && section.contains(shown);
    paint(section, inside ? columnOf(shown) : section.dataset.chosen ?? "0");
  }

  function show() {
    const before = shown;
    shown = hovered ?? focused ?? pressed;
    if (shown === before) return;
    putOut();
    if (before) repaint(sectionOf(before));
    if (!shown) return;
    const section = sectionOf(shown);
    const [actor] = shown.dataset.pair.split(".");
    repaint(section);
    lightUp(section.querySelectorAll(`[data-evidence~="${shown.dataset.pair}"]`), "lit");
    lightUp(section.querySelectorAll(`mark[data-actors~="${actor}"]`), "who");
  }

  function press(verdict) {
    pressed?.setAttribute("aria-pressed", "false");
    pressed = verdict;
    pressed?.setAttribute("aria-pressed", "true");
    show();
  }

  function bringIntoView(section) {
    const first = section.querySelector(".lit") ?? section.querySelector(".who");
    if (!first) return;
    const { top, bottom } = first.getBoundingClientRect();
    const bar = Number.parseFloat(page.style.getPropertyValue("--bar")) || 0;
    if (top >= bar && bottom <= window.innerHeight) return;
    const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    first.scrollIntoView({ block: "center", behavior: still ? "auto" : "smooth" });
  }

  document.addEventListener("click", (event) => {
    const verdict = event.target.closest("button.verdict");
    const choice = event.target.closest("button.choose");
    if (verdict) {
      const section = sectionOf(verdict);
      section.dataset.chosen = columnOf(verdict);
      press(verdict === pressed ? null : verdict);
      if (pressed) bringIntoView(section);
    } else if (choice) {
      const section = sectionOf(choice);
      if (pressed && section.contains(pressed)) press(null);
      section.dataset.chosen = columnOf(choice);
      repaint(section);
    }
  });

  document.addEventListener("pointerover", (event) => {
    if (event.pointerType !== "mouse") return; // a finger presses, it does not hover
    hovered = event.target.closest("button.verdict");
    show();
    const mark = event.target.closest("mark");
    for (const row of rows) row.classList.remove("who");
    rows = (mark?.dataset.actors.split(" ") ?? []).map((actor) =>
      sectionOf(mark).querySelector(`tr[data-actor="${actor}"]`),
    );
    for (const row of rows) row.classList.add("who");
  });

  document.addEventListener("focusin", (event) => {
    focused = event.target.matches("button.verdict:focus-visible") ? event.target : null;
    show();
  });

  document.addEventListener("focusout", () => {
    focused = null;
    show();
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") press(null);
  });

  function filter(form) {
    const data = new FormData(form);
    const kinds = new Set(data.getAll("kind"));
    const target = data.get("target");
    const name = data.get("actor").trim().toLocaleLowerCase("de");
    const everyKind = form.querySelectorAll("[name=kind]").length === kinds.size;
    let verdicts = 0;
    let texts = 0;
    let allVerdicts = 0;
    const sections = document.querySelectorAll("section.text");
    for (const section of sections) {
      let here = 0;
      for (const head of section.querySelectorAll("th[data-target]")) {
        head.hidden = target !== "" && head.dataset.target !== target;
        if (target !== "" && !head.hidden) section.dataset.chosen = head.dataset.column;
      }
      for (const row of section.querySelectorAll("tbody tr")) {
        const named = row.querySelector(".name").textContent.toLocaleLowerCase("de").includes(name);
        let kept = 0;
        let asked = false;
        for (const cell of row.querySelectorAll("td")) {
          cell.hidden = target !== "" && cell.dataset.target !== target;
          const isVerdict = "kind" in cell.dataset;
          const fits = isVerdict ? kinds.has(cell.dataset.kind) : everyKind;
          cell.classList.toggle("out", !fits);
          allVerdicts += isVerdict;
          if (cell.hidden || !fits) continue;
          asked = true;
          kept += isVerdict;
        }
        row.hidden = !named || !asked;
        if (!row.hidden) here += kept;
      }
      section.hidden = here === 0;
      texts += here > 0;
      verdicts += here;
      const entry = document.getElementById(section.id.replace("text", "entry"));
      if (entry) entry.hidden = section.hidden;
      repaint(section);
    }
    if (pressed && !pressed.checkVisibility({ visibilityProperty: true })) press(null);
    const count = (number) => number.toLocaleString("en");
    const some = verdicts < allVerdicts ? `${count(verdicts)} of ${count(allVerdicts)}` : `All ${count(verdicts)}`;
    form.querySelector("output").textContent =
      `${some} verdicts in ${count(texts)} of ${count(sections.length)} texts`;
  }

  let waiting;
  const filterSoon = (event) => {
    const form = event.target.closest("form.filters");
    if (!form) return;
    clearTimeout(waiting);
    waiting = setTimeout(() => filter(form), 120); // a reset comes before the fields change
  };
  document.addEventListener("input", filterSoon);
  document.addEventListener("reset", filterSoon);
  document.addEventListener("submit", (event) => event.preventDefault());

  // The filters stay on top of a large window; what is scrolled to must not end up under them.
  document.addEventListener("DOMContentLoaded", () => {
    const filters = document.querySelector("form.filters");
    new ResizeObserver(() => {
      const stays = getComputedStyle(filters).position === "sticky";
      page.style.setProperty("--bar", stays ? `${filters.offsetHeight}px` : "0px");
    }).observe(filters);
  });
})();
