// One slide at the desk: its galleries, its differential before and after, its signature.

let current = null;

/** Whether the reviewer was told that the signature is also of cells that the page does not show. */
let toldOfUnseen = false;

const sectionOf = (slide) => document.getElementById(`slide-${slide.number}`);

/** Show a slide alone; null: the worklist. */
function openSlide(slide) {
  document.body.classList.toggle("at-slide", slide !== null && !night.chosen);
  findAll("section.slide.current").forEach((section) => section.classList.remove("current"));
  current = choice.slide = slide;
  toldOfUnseen = differingOnly = false;
  chooseNone();
  if (!slide) return;
  const section = sectionOf(slide);
  section.classList.add("current");
  if (!night.chosen) find("details", section).open = true;
  if (!find(".desk", section)) setUpSlide(slide, section);
  showSlide();
  goToTile(tiles()[0], false);
  if (!night.chosen) window.scrollTo(0, 0);
}

/** Show the worklist at once. */
function leaveSlide() {
  if (night.chosen) return;
  openSlide(null);
  history.replaceState(null, "", "#worklist");
}

/** Draw what a change may have changed. */
function showSlide() {
  const section = sectionOf(current);
  buildGalleries(current, find(".galleries", section));
  if (!night.chosen) {
    find(".differing", section).hidden = !differingOnly && !differing(current).length;
    press(find(".differing", section), differingOnly);
    showRecount(current, section);
    showSigning(current, section);
  }
  find(".undo", section).disabled = lastChange(current, reviewOf(current.name)) < 0;
}

/** Draw what another tab may have changed. The focus stays where it was. */
function showSlideAgain() {
  const image = focusedTile()?.dataset.image;
  showSlide();
  if (viewer.open) showCell(current, viewed);
  else if (image) goToTile(tileOfImage(image), false);
}

function setUpSlide(slide, section) {
  const desk = find("#slide-desk").content.cloneNode(true);
  const on = (selector, event, listener) => find(selector, desk)?.addEventListener(event, listener);
  on(".next", "click", () => goToSlide(1));
  on(".previous", "click", () => goToSlide(-1));
  on(".undo", "click", undoLast);
  on(".ask", "click", showKeys);
  on(".differing", "click", toggleDiffering);
  on(".slider", "input", ({ currentTarget }) => setSize(currentTarget.value));
  on(".comment", "input", ({ currentTarget }) => {
    if (setComment(slide, currentTarget.value)) afterChange();
    find(".comment-in-print", section).textContent = currentTarget.value;
  });
  on(".signer", "input", ({ currentTarget }) => { currentTarget.dataset.typed = ""; });
  on(".signing", "submit", (event) => {
    event.preventDefault();
    signSlide(slide, section);
  });
  on(".withdraw", "click", () => {
    withdrawSignature(slide);
    afterChange();
  });
  on(".galleries", "click", clickTile);
  on(".galleries", "dblclick", ({ target }) => enlarge(target.closest(".gallery li")));
  section.prepend(find(".moves", desk));
  (find("details", section) ?? section).append(desk);
  if (!night.chosen) addReviewedColumns(section);
  setSize(size);
}

function toggleDiffering() {
  if (night.chosen || (!differingOnly && !differing(current).length)) return;
  differingOnly = !differingOnly;
  chooseNone();
  showSlide();
  goToTile(tiles()[0], false);
}

function clickTile(event) {
  const tile = event.target.closest(".gallery li");
  if (!tile) return;
  goToTile(tile);
  if (event.shiftKey && choice.anchor) extendTo(tile);
  else toggleTile(tile);
}

function enlarge(tile) {
  if (!tile) return;
  chooseNone();
  showCell(current, current.byImage.get(tile.dataset.image));
}

/** Move cells to a type, or confirm them with null, and draw the slide anew; the focus goes to what came after them. */
function moveCells(cells, type) {
  if (!cells.length || !current) return;
  const images = new Set(cells.map((cell) => cell.image));
  const all = tiles();
  const last = all.findLastIndex((tile) => images.has(tile.dataset.image));
  const next = all.slice(last + 1).find((tile) => !images.has(tile.dataset.image)) ?? all[last];
  const changed = giveType(current, cells, type);
  chooseNone();
  afterChange();
  const done = type === AS_LABELLED ? `${counted(changed, "cell")} moved to what the label says.` : type === null ? `${counted(changed, "cell")} confirmed.` : `${counted(changed, "cell")} moved to ${nameOf(type)}.`;
  say(done);
  if (viewer.open) showCell(current, viewed);
  else goToTile(tileOfImage(next?.dataset.image) ?? tiles()[0]);
}

function undoLast() {
  if (!current) return;
  const images = undo(current);
  if (!images.length) return;
  afterChange();
  say(`Undone: ${counted(images.length, "cell")}.`);
  if (viewer.open) showCell(current, images.includes(viewed.image) ? viewed : current.byImage.get(images[0]));
  else goToTile(tileOfImage(images[0]));
}

function afterChange() {
  showSlide();
  markReviewed();
  applyFilter();
}

const say = (text) => { find(".changes", sectionOf(current)).textContent = text; };

/** Three columns of the differential: what the reviewer's cells come to. */
function addReviewedColumns(section) {
  const table = find(".differential", section);
  const column = Math.max(...findAll("thead tr", table).map((row) => row.cells.length)) - 1;
  const add = (row, tag, words, kind) => {
    const cell = make(tag, { class: kind }, words);
    row.insertBefore(cell, row.cells[Math.min(column, row.cells.length - 1)]);
  };
  for (const row of findAll("thead tr", table)) {
    add(row, "th", "95% limits", "n by-hand limits");
    add(row, "th", "Reviewed", "n by-hand");
  }
  for (const row of findAll("tbody tr", table)) {
    add(row, "td", "", "n by-hand limits reviewed-limits");
    add(row, "td", "", "n by-hand reviewed-share");
  }
}

function showRecount(slide, section) {
  const review = reviewOf(slide.name);
  const given = slide.cells.some((cell) => cell.given);
  const changed = given || countSaid(review) > 0 || review.signed !== null;
  const now = differentialOf(slide.cells.map((cell) => typeNow(review, cell)));
  const before = differentialOf(slide.cells.map((cell) => cell.type));
  section.classList.toggle("has-review", changed);
  findAll(".differential tbody tr", section).forEach((row, place) => {
    const [share, old] = [now, before].map((found) => found.shares[night.rows[place]]);
    find(".reviewed-share", row).textContent = `${share.count} · ${percentText(share.percent)}`;
    find(".reviewed-limits", row).textContent = share.low === null ? "" : `${percentText(share.low)}–${percentText(share.high)}`;
    row.classList.toggle("has-changed", share.count !== old.count || share.percent !== old.percent);
  });
}

function showSigning(slide, section) {
  const [review, row] = [reviewOf(slide.name), rowNamed.get(slide.name)];
  const signed = signatureHere(row);
  const [box, name] = [find(".comment", section), find(".signer", section)];
  if (document.activeElement !== box) box.value = review.comment;
  find(".comment-in-print", section).textContent = review.comment;
  if (document.activeElement !== name && name.dataset.typed === undefined) name.value = signed?.reviewer ?? reviews.reviewer;
  find(".withdraw", section).hidden = signed === null && !hasSignedInRun(slide, reviews.reviewer);
  find(".signed", section).textContent = signed
    ? `✓ Signed by ${signed.reviewer}, ${new Date(signed.time).toLocaleString()}`
    : isSignedInRun(row) ? `✓ Signed by ${signersInRun(row).join("; ")} (given back to the run)` : unsignedText(review, slide, row);
  section.classList.toggle("is-signed", isSigned(row));
  const unseen = unseenCells(slide).length;
  find(".unseen", section).hidden = !unseen;
  find(".unseen span", section).textContent = `${unseen} of ${counted(slide.cells.length, "cell")} ${unseen === 1 ? "has" : "have"} no picture in this page.`;
}

function unsignedText(review, slide, row) {
  if (review.signed && isWithdrawnInRun(row, review.signed)) return `Not signed yet. ${review.signed.reviewer} has withdrawn this signature elsewhere, and the run has that.`;
  if (review.signed?.types && review.signed.types !== typesOf(slide, review)) {
    return `Not signed yet. ${review.signed.reviewer} signed other cell types than this page shows: look at the cells, and sign again.`;
  }
  const left = review.withdrawn.filter((each) => !isHandedOn(review, each)).map(({ reviewer }) => reviewer);
  if (left.length) return `Not signed yet. Download the corrections: they take the signature of ${left.join(", ")} back from the run.`;
  return "Not signed yet. A change after signing takes the signature back.";
}

function signSlide(slide, section) {
  const name = find(".signer", section).value.trim();
  if (!name) {
    find(".signed", section).textContent = "Please give your name.";
    find(".signer", section).focus();
    return;
  }
  if (differingOnly) toggleDiffering(); // a signature is of all cells
  const unseen = unseenCells(slide).length;
  if (unseen && !toldOfUnseen) {
    toldOfUnseen = true;
    find(".signed", section).textContent = `Not signed yet. You would sign ${counted(unseen, "cell")} without a picture. Press "Sign" again if you want that.`;
    return;
  }
  if (reviews.reviewer || !namelessBeside(slide)) {
    setReviewer(name);
    find("#reviewer").value = name;
  }
  delete find(".signer", section).dataset.typed;
  sign(slide, name, find(".comment", section).value.trim());
  afterChange();
}

/** The printed worklist says of every reviewed slide what its own page says. */
function showReviewsInPrint() {
  for (const row of rows.filter((each) => each.dataset.number && (Object.hasOwn(reviews.slides, each.dataset.slide) || each.dataset.reviewedAt))) {
    const slide = slideNamed(row.dataset.slide);
    const section = sectionOf(slide);
    if (!find(".desk", section)) setUpSlide(slide, section);
    showRecount(slide, section);
    showSigning(slide, section);
  }
}

function goToSlide(steps) {
  const row = neighbour(current?.number, steps);
  location.hash = row ? `#slide-${row.dataset.number}` : "#worklist";
}

let size = 112;

/** How large the cells are shown, in pixels. */
function setSize(pixels) {
  size = Number(pixels);
  document.documentElement.style.setProperty("--cell", `${size}px`);
  findAll(".slider").forEach((slider) => { slider.value = size; });
}
