// One cell, larger: its probabilities, the laboratory's call, its heat map, and similar cells.

const viewer = find("#viewer");
const MOST_SIMILAR = 7;
let viewed = null;

/** The images in the order of the galleries when the view was opened: a cell that is moved does not lead elsewhere. */
const path = { images: [], place: 0 };

function showCell(slide, cell) {
  viewed = cell;
  if (!viewer.open) path.images = tiles().map((tile) => tile.dataset.image);
  const place = path.images.indexOf(cell.image);
  if (place >= 0) path.place = place; // a similar cell may be in no gallery: the next one follows the last that was
  const review = reviewOf(slide.name);
  const now = typeNow(review, cell);
  find("#viewer-title").textContent = `${nameOf(now)} · ${cell.image}`;
  const heat = cell.heat ? make("img", { src: cell.heat, alt: "heat map: brighter parts counted more", class: "large" }) : null;
  const picture = pictureOf(cell, "large");
  if (cell.source) picture.alt = `${nameOf(now)}, ${cell.image}`;
  find(".views", viewer).replaceChildren(...[picture, heat].filter(Boolean));
  find(".facts", viewer).replaceChildren(...factsOf(cell, now));
  find("#viewer-type").value = now;
  find(".similar", viewer).replaceChildren(...similarCells(slide, cell, MOST_SIMILAR).map((each) => similarOf(slide, each)));
  if (!viewer.open) viewer.showModal();
}

function factsOf(cell, now) {
  const facts = [];
  if (now !== cell.type) facts.push(make("p", {}, `The classifier said: ${nameOf(cell.type)}`));
  if (cell.reason) facts.push(make("p", {}, `No cell: ${cell.reason}`));
  if (cell.reported) {
    const differs = disagrees(cell.reported, now) ? " ≠" : "";
    facts.push(make("p", { class: differs ? "differs" : null }, `${cell.reporter[0].toUpperCase()}${cell.reporter.slice(1)}: ${nameOf(cell.reported)}${differs}`));
  }
  const lines = cell.probabilities.map(({ type, permille }) =>
    make("li", {}, make("span", {}, nameOf(type)), make("meter", { min: 0, max: 1000, value: permille, "aria-hidden": "true" }),
      make("b", {}, asPercent(permille))));
  facts.push(make("ul", { class: "probabilities", "aria-label": "Probabilities" }, ...lines));
  return facts;
}

function similarOf(slide, cell) {
  const words = `${nameOf(typeNow(reviewOf(slide.name), cell))} ${probabilityText(cell)}`;
  return make("button", { type: "button", title: cell.image, onclick: () => showCell(slide, cell) }, pictureOf(cell), words);
}

/** Show the next or previous cell of the galleries as they were when the view was opened. */
function viewNext(steps) {
  const cell = choice.slide.byImage.get(path.images[path.place + steps]);
  if (cell) showCell(choice.slide, cell);
}

function setUpViewer() {
  const select = find("#viewer-type");
  select.append(...Object.keys(night.keys).map((type) => make("option", { value: type }, nameOf(type))));
  select.addEventListener("change", () => moveCells([viewed], select.value));
  for (const dialog of findAll("dialog")) {
    find(".close", dialog).addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
  }
  viewer.addEventListener("close", () => goToTile(tileOfImage(viewed.image)));
}
