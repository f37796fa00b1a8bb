
// A table whose rows are sorted by a click on a heading, filtered by words, and reduced to the first of each group.
for (const table of document.querySelectorAll("table.ranked")) {
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[0].cells];
  const rows = [...body.rows].map((row, place) => ({
    row,
    place,
    text: row.textContent.toLowerCase(),
    values: [...row.cells].map((cell) => cell.dataset.value ?? cell.textContent),
  }));
  const words = document.getElementById("words");
  const each = document.getElementById("each");
  const count = document.getElementById("count");
  let sorted = { column: 0, sign: 1 };

  // Rows without a value come last, whichever way the others are sorted.
  const compare = (first, second) => {
    const { column, sign } = sorted;
    const [a, b] = [first.values[column], second.values[column]];
    if (column === 0 || a === b) return first.place - second.place;
    if (a === "" || b === "") return a === "" ? 1 : -1;
    const numeric = "number" in headings[column].dataset;
    return sign * (numeric ? a - b : a.localeCompare(b)) || first.place - second.place;
  };
  const update = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const columns = each.value.split(" ").filter(Boolean)
      .map((key) => headings.findIndex((heading) => heading.dataset.key === key));
    const seen = new Set();
    let rank = 0;
    for (const one of rows.sort(compare)) {
      const group = columns.map((column) => one.values[column]).join("\n");
      const shown = wanted.every((word) => one.text.includes(word)) && !(columns.length && seen.has(group));
      one.row.hidden = !shown;
      if (shown) {
        seen.add(group);
        one.row.cells[0].textContent = ++rank;
      }
    }
    body.replaceChildren(...rows.map((one) => one.row));
    count.textContent = `${rank} of ${rows.length}`;
  };
  headings.forEach((heading, column) => {
    if (!heading.dataset.key) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent;
    heading.replaceChildren(button);
    button.addEventListener("click", () => {
      const usual = "number" in heading.dataset ? -1 : 1;  // the largest number first
      const sign = sorted.column === column ? -sorted.sign : usual;
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      sorted = { column, sign };
      update();
    });
  });
  words.addEventListener("input", update);
  each.addEventListener("change", update);
  document.querySelector(".choose").hidden = false;
  update();
}
