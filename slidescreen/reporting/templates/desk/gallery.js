// The galleries of a slide: one a cell type, each a list in which cells are chosen.

/** Which cells are chosen, and from which one on a range is counted. */
const choice = { slide: null, images: new Set(), anchor: null };

/** Whether only those cells are shown whose call differs from the laboratory's, in one gallery, the most certain first. */
let differingOnly = false;

const differing = (slide) => slide.cells
  .filter((cell) => cell.reporter === night.label && disagrees(cell.reported, cell.type))
  .sort((a, b) => certaintyOf(b) - certaintyOf(a));
const certaintyOf = (cell) => cell.probabilities[0]?.permille ?? 0;

/** Whether cells stay in their place when they are moved: they are of one gallery. */
const inOneGallery = () => Boolean(night.chosen) || differingOnly;

/** The cells that nobody can have seen in this page: they have no picture here, and no review has said anything of them. */
function unseenCells(slide) {
  const review = reviewOf(slide.name);
  return slide.cells.filter((cell) => !cell.source && !cell.given && !verdictOn(review, cell.image));
}

function buildGalleries(slide, place) {
  const review = reviewOf(slide.name);
  if (night.chosen) {
    place.replaceChildren(galleryOf(review, night.chosen, slide.cells));
    return;
  }
  if (differingOnly) {
    place.replaceChildren(galleryOf(review, "Called otherwise by the laboratory", differing(slide)));
    return;
  }
  const byType = new Map(galleryOrder.map((type) => [type, []]));
  for (const cell of slide.cells) byType.get(typeNow(review, cell)).push(cell);
  const galleries = [...byType].filter(([, cells]) => cells.length).map(([type, cells]) => galleryOf(review, type, cells));
  place.replaceChildren(...galleries);
}

function galleryOf(review, type, cells) {
  const moved = (cell) => typeNow(review, cell) !== cell.type;
  const shown = cells.filter((cell) => cell.source || cell.suspicious || moved(cell));
  const title = make("h3", {}, nameOf(type), " ", make("span", { class: "count" }, String(cells.length)));
  const list = make("ul", {
    class: "gallery", role: "listbox", "aria-multiselectable": "true",
    "aria-label": `${nameOf(type)}, ${counted(cells.length, "cell")}`, "data-type": type,
  }, ...shown.map((cell, place) => tileOf(review, cell, place === 0)));
  const hidden = cells.length - shown.length;
  const note = hidden ? make("p", { class: "more" }, `${hidden} more without a picture in this page`) : null;
  return make("section", { class: "of-type", "aria-label": nameOf(type) }, title, list, note);
}

function tileOf(review, cell, first) {
  const verdict = verdictOn(review, cell.image);
  const now = typeNow(review, cell);
  const lines = [make("strong", {}, probabilityText(cell))];
  if (verdict || now !== cell.type) lines.push(make("span", { class: "by-hand" }, saidByHand(cell, now)));
  if (disagrees(cell.reported, inOneGallery() ? cell.type : now)) lines.push(make("em", {}, `≠ ${cell.reporter}: ${nameOf(cell.reported)}`));
  return make("li", {
    role: "option", "aria-selected": String(choice.images.has(cell.image)), tabindex: first ? "0" : "-1",
    "aria-label": spokenOf(cell, verdict), "data-image": cell.image, title: cell.image,
    class: [verdict && "touched", !inOneGallery() && disagrees(cell.reported, now) && "disagrees"].filter(Boolean).join(" ") || null,
  }, pictureOf(cell), ...lines);
}

/** What a review made of a cell. A cell that stays in its place is named anew. */
function saidByHand(cell, now) {
  if (now === cell.type) return "✓ confirmed";
  return inOneGallery() ? `✓ now ${nameOf(now)}` : `was ${nameOf(cell.type)}`;
}

function pictureOf(cell, kind = "cell") {
  if (!cell.source) return make("span", { class: "missing" }, "picture not available");
  return make("img", { src: cell.source, alt: "", class: kind, loading: "lazy", draggable: "false" });
}

function probabilityText(cell) {
  if (cell.reason) return "No cell";
  const [best] = cell.probabilities;
  if (!best) return "";
  if (inOneGallery() && cell.type !== UNIDENTIFIED) return `${nameOf(cell.type)} ${asPercent(best.permille)}`;
  return cell.type !== UNIDENTIFIED ? asPercent(best.permille) : `${nameOf(best.type)}? ${asPercent(best.permille)}`;
}

/** What a screen reader says of a cell. */
function spokenOf(cell, verdict) {
  const said = [inOneGallery() ? probabilityText(cell) : `${nameOf(cell.type)} ${probabilityText(cell)}`, cell.image];
  if (verdict) said.push(verdict.type === cell.type ? "confirmed" : `moved to ${nameOf(verdict.type)}`);
  if (cell.reported) said.push(`${cell.reporter}: ${nameOf(cell.reported)}`);
  return said.join(", ");
}

const tiles = () => findAll("section.slide.current .gallery li");
const tileOfImage = (image) => tiles().find((tile) => tile.dataset.image === image);
const focusedTile = () => document.activeElement?.closest?.(".gallery li") ?? null;

/** The cells that an action is about: the chosen ones, or else the one with the focus. */
function chosenCells() {
  if (!choice.slide) return [];
  const focused = focusedTile()?.dataset.image;
  const images = choice.images.size ? [...choice.images] : focused ? [focused] : [];
  return images.map((image) => choice.slide.byImage.get(image)).filter(Boolean);
}

function showChoice() {
  for (const tile of tiles()) tile.setAttribute("aria-selected", String(choice.images.has(tile.dataset.image)));
  const bar = find("#types");
  bar.hidden = !choice.images.size;
  find("#types .labelled").hidden = !chosenCells().some(labelOf);
  find("#types .chosen").textContent = `${counted(choice.images.size, "cell")} chosen. Move to:`;
  if (bar.hidden) return;
  document.documentElement.style.setProperty("--bar", `${bar.offsetHeight}px`); // cells scroll clear of it
  focusedTile()?.scrollIntoView({ block: "nearest" });
}

function chooseNone() {
  choice.images.clear();
  choice.anchor = null;
  showChoice();
}

function toggleTile(tile) {
  const { image } = tile.dataset;
  if (!choice.images.delete(image)) choice.images.add(image);
  choice.anchor = image;
  showChoice();
}

/** Choose all tiles from the anchor to this one, in the order of the page. */
function extendTo(tile) {
  const all = tiles();
  const start = all.findIndex((each) => each.dataset.image === choice.anchor);
  const [from, to] = [start < 0 ? all.indexOf(tile) : start, all.indexOf(tile)].sort((a, b) => a - b);
  for (const each of all.slice(from, to + 1)) choice.images.add(each.dataset.image);
  choice.anchor ??= tile.dataset.image;
  showChoice();
}

function chooseAllOf(gallery) {
  for (const tile of findAll("li", gallery)) choice.images.add(tile.dataset.image);
  showChoice();
}

/** Give a tile the focus; Tab comes back to it. */
function goToTile(tile, scroll = true) {
  if (!tile) return;
  for (const each of findAll("li", tile.parentElement)) each.tabIndex = each === tile ? 0 : -1;
  tile.focus({ preventScroll: true });
  if (scroll) tile.scrollIntoView({ block: "nearest" });
}

/** The tile next to one in a direction: by the row's ends to the next row, up and down by place on the screen. */
function tileAway(tile, key) {
  const all = tiles();
  const place = all.indexOf(tile);
  if (key === "ArrowLeft" || key === "ArrowRight") return all[place + (key === "ArrowRight" ? 1 : -1)];
  if (key === "Home") return tile.parentElement.firstElementChild;
  if (key === "End") return tile.parentElement.lastElementChild;
  const here = tile.getBoundingClientRect();
  const away = (each) => (key === "ArrowDown" ? 1 : -1) * (each.getBoundingClientRect().top - here.top);
  const beyond = all.filter((each) => away(each) > here.height / 2);
  const nearest = Math.min(...beyond.map(away));
  const line = beyond.filter((each) => away(each) < nearest + 2);
  const aside = (each) => Math.abs(each.getBoundingClientRect().left - here.left);
  return line.sort((a, b) => aside(a) - aside(b))[0];
}
