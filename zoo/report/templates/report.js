"use strict";

// Each direction's slider chooses one frame, which is copied out of every code's sprite.
for (const section of document.querySelectorAll(".direction")) {
  const strengths = section.dataset.strengths.split(" ");
  const slider = section.querySelector("input");
  const output = section.querySelector("output");
  const draw = (canvas) => {
    const sprite = canvas.nextElementSibling;
    const { width, height } = canvas;
    canvas.getContext("2d").drawImage(sprite, slider.valueAsNumber * width, 0, width, height, 0, 0, width, height);
  };
  const canvases = [...section.querySelectorAll("canvas")];
  const update = () => {
    output.textContent = strengths[slider.valueAsNumber];
    slider.setAttribute("aria-valuetext", "strength " + output.textContent);
    canvases.forEach(draw);
  };
  slider.addEventListener("input", update);
  section.querySelectorAll("[data-live]").forEach((element) => { element.hidden = false; });
  Promise.all(canvases.map((canvas) => canvas.nextElementSibling.decode())).then(() => {
    update();
    section.dataset.ready = "";
  });
}

// A table that is wider than the page is shown as a list of its rows, so that no column is lost.
const fit = () => {
  for (const table of document.querySelectorAll("table.figures")) {
    table.classList.remove("stacked");
    table.classList.toggle("stacked", table.parentElement.scrollWidth > table.parentElement.clientWidth);
  }
};
addEventListener("resize", fit);
fit();

for (const button of document.querySelectorAll("button[data-copy]")) {
  const source = document.getElementById(button.dataset.copy);
  const status = document.getElementById("copied");
  button.hidden = false;
  button.addEventListener("click", () => {
    getSelection().selectAllChildren(source);  // where the clipboard is not to be had, it is one key away
    Promise.resolve(navigator.clipboard?.writeText(source.textContent) ?? Promise.reject()).then(
      () => { status.textContent = "copied"; },
      () => { status.textContent = "selected: press Ctrl+C"; });
  });
}
