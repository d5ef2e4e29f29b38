// What the page knows of the night: the run, the cell types, and the cells of each slide.

const night = JSON.parse(find("#night").textContent);
const UNIDENTIFIED = "unidentified";
const AS_LABELLED = "as labelled";
const nameOf = (type) => night.names[type] ?? type;

/** The galleries' order: blasts, immature granulocytes, unidentified, then the other types. */
const galleryOrder = [
  ...new Set([...Object.values(night.groups).flat(), UNIDENTIFIED, ...night.types]),
];

const SECTION = /^#slide-(\d+)$/;
const slidesRead = new Map();

/** The slide of a section's number, its cells read on first use; null if the page has no such section. */
function slideOf(number) {
  if (!slidesRead.has(number)) {
    const block = document.getElementById(`cells-${number}`);
    if (!block) return null;
    const { slide, cells, contents, places, unsigned } = JSON.parse(block.textContent);
    const shown = picturesShown(number);
    const analysers = new Set(unsigned); // cells that nobody has signed: their reported type is the analyser's call
    const read = cells.map((row, at) => ({
      ...cellOf(row, shown), content: contents[at], place: places?.[at] ?? null,
      reporter: analysers.has(at) ? "analyser" : night.label,
    }));
    slidesRead.set(number, { name: slide, number, cells: read, byImage: new Map(read.map((cell) => [cell.image, cell])) });
  }
  return slidesRead.get(number);
}

function cellOf([image, type, reported, given, reason, source, ...ranked], shown) {
  const probabilities = [];
  for (let place = 0; place < ranked.length; place += 2) {
    probabilities.push({ type: night.types[ranked[place]], permille: ranked[place + 1] });
  }
  const known = shown.get(image);
  return {
    image, type, reported, given, reason, probabilities,
    source: source || known?.source || "", heat: known?.heat ?? "", suspicious: known !== undefined,
  };
}

/** The type that a cell is labelled with, if it is one that a cell can be moved to; else null. An analyser's call is no label. */
const labelOf = (cell) => (cell.reporter === night.label && night.types.includes(cell.reported) ? cell.reported : null);

/** The pictures that the page holds without scripts, by image: they are not stored twice. */
function picturesShown(number) {
  const found = new Map();
  for (const item of findAll(`#slide-${number} [data-image]`)) {
    const [source, heat] = ["img.cell", "img.heat"].map((kind) => find(kind, item)?.src ?? "");
    found.set(item.dataset.image, { source, heat });
  }
  return found;
}

/** The name of a section's slide, known without reading its cells. */
const slideName = (number) => document.getElementById(`title-${number}`).textContent;

/** Whether a reported type differs from a cell type. */
function disagrees(reported, type) {
  if (!reported || type === UNIDENTIFIED) return false;
  return reported === "blast" ? !night.groups.blasts.includes(type) : reported !== type;
}

/** How unlike two cells' probabilities are, 0 and more. */
function unlikeness(one, other) {
  const left = new Map(one.probabilities.map(({ type, permille }) => [type, permille]));
  for (const { type, permille } of other.probabilities) left.set(type, (left.get(type) ?? 0) - permille);
  return [...left.values()].reduce((sum, difference) => sum + difference * difference, 0);
}

function similarCells(slide, cell, most) {
  return slide.cells
    .filter((each) => each !== cell && each.source)
    .map((each) => [unlikeness(cell, each), each])
    .sort((a, b) => a[0] - b[0])
    .slice(0, most)
    .map(([, each]) => each);
}
