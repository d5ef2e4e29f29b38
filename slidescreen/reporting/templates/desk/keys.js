// The keyboard: every action has a key.

const typeOfKey = new Map(Object.entries(night.keys).map(([type, key]) => [key, type]));
const isTyping = (target) => target.matches("input:not([type=range]), textarea, select");

function showKeys() {
  find("#keys").showModal();
}

const everywhere = {
  j: () => (night.chosen ? false : current ? goToSlide(1) : goToRow(rowAway(1))),
  k: () => (night.chosen ? false : current ? goToSlide(-1) : goToRow(rowAway(-1))),
  "?": showKeys,
  "/": () => {
    if (night.chosen) return;
    leaveSlide();
    find("#search").focus();
  },
};

/** Back to the worklist; a page of chosen cells has none. */
function toWorklist() {
  if (!night.chosen) location.hash = "#worklist";
}

const atWorklist = {
  Enter: (event) => {
    if (document.activeElement.matches("a, button, summary")) return false;
    const number = currentRow?.dataset.number;
    if (!number) return false;
    event.preventDefault();
    location.hash = `#slide-${number}`;
    return true;
  },
};

const atSlide = {
  w: toWorklist,
  u: undoLast,
  c: () => moveCells(chosenCells(), null),
  l: () => moveCells(chosenCells(), AS_LABELLED),
  d: toggleDiffering,
  s: () => find(".comment", sectionOf(current))?.focus(),
  g: () => goToTile(nextGalleryTile()),
  Escape: () => (choice.images.size ? chooseNone() : toWorklist()),
};

const onTile = {
  " ": (event, tile) => toggleTile(tile),
  Enter: (event, tile) => enlarge(tile),
  a: (event, tile) => {
    if (!event.ctrlKey && !event.metaKey) return false;
    chooseAllOf(tile.parentElement);
    return true;
  },
};
for (const key of ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"]) onTile[key] = arrow;

function arrow(event, tile) {
  const next = tileAway(tile, event.key);
  if (event.shiftKey && next) {
    choice.anchor ??= tile.dataset.image;
    extendTo(next);
  }
  goToTile(next);
}

function nextGalleryTile() {
  const galleries = findAll("section.slide.current .gallery");
  const here = galleries.indexOf(focusedTile()?.parentElement);
  return galleries[(here + 1) % galleries.length]?.firstElementChild;
}

/** What a key does in the larger view. */
function inViewer(event) {
  const steps = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (steps) viewNext(steps);
  else if (event.key === "u") undoLast();
  else if (event.key === "c") moveCells([viewed], null);
  else if (event.key === "l") moveCells([viewed], AS_LABELLED);
  else if (typeOfKey.has(event.key)) moveCells([viewed], typeOfKey.get(event.key));
  else return false;
  return true;
}

/** Keys that act once, however long they are held. */
const once = new Set([...typeOfKey.keys(), "c", "l", "u", "d", " ", "Enter"]);

/** Keys that decide on a cell. */
const deciding = new Set([...typeOfKey.keys(), "c", "l"]);

/** Show the cell with the focus if it is out of sight: nobody decides on a cell unseen. Returns whether it was. */
function showsFirst(tile) {
  if (!tile || choice.images.size) return false;
  const { top, bottom } = tile.getBoundingClientRect();
  const middle = (top + bottom) / 2;
  if (middle > 0 && middle < innerHeight) return false;
  goToTile(tile);
  say("The cell was out of sight. Press the key again if you mean it.");
  return true;
}

function atKey(event) {
  if (event.altKey || isTyping(event.target)) return false;
  if (event.repeat && current && once.has(event.key)) return true;
  const tile = focusedTile();
  if (event.ctrlKey || event.metaKey) return event.key === "a" && tile ? onTile.a(event, tile) : false;
  if (find("#keys").open) return false;
  if (viewer.open) return inViewer(event);
  if (current && deciding.has(event.key) && showsFirst(tile)) return true;
  const does = (tile && event.key !== "a" && onTile[event.key]) || everywhere[event.key] || (current ? atSlide : atWorklist)[event.key];
  if (does) return does(event, tile);
  if (!current || !typeOfKey.has(event.key)) return false;
  return moveCells(chosenCells(), typeOfKey.get(event.key));
}

function setUpKeys() {
  document.addEventListener("keydown", (event) => {
    if (atKey(event) !== false) event.preventDefault();
  });
  const list = find("#type-keys");
  for (const [type, key] of Object.entries(night.keys)) {
    list.append(make("dt", {}, make("kbd", {}, key)), make("dd", {}, nameOf(type)));
  }
}

/** The bar with a button for each type, shown while cells are chosen. */
function setUpTypes() {
  const buttons = Object.entries(night.keys).map(([type, key]) =>
    make("button", { type: "button", onclick: () => moveCells(chosenCells(), type) }, make("kbd", {}, key), ` ${nameOf(type)}`));
  const confirm = make("button", { type: "button", onclick: () => moveCells(chosenCells(), null) }, make("kbd", {}, "c"), " Confirm as they are");
  const labelled = make("button", { type: "button", class: "labelled", onclick: () => moveCells(chosenCells(), AS_LABELLED) }, make("kbd", {}, "l"), ` As the ${night.label} says`);
  const larger = make("button", { type: "button", onclick: () => enlarge(tileOfImage([...choice.images].at(-1))) }, "Larger");
  const none = make("button", { type: "button", onclick: chooseNone }, make("kbd", {}, "Esc"), " None");
  find("#types").append(make("span", { class: "chosen", role: "status" }), ...buttons, confirm, labelled, larger, none);
}
