// What the reviewer has changed, confirmed and signed. The browser keeps it, for this run alone.

const STORE = `slidescreen review ${night.store}`;
const MOST_UNDONE = 200;
const reviews = { reviewer: "", slides: {} };
let storageWorks = true;

const emptyReview = () => ({ cells: {}, signed: null, comment: "", log: [] });
const reviewOf = (name) => (Object.hasOwn(reviews.slides, name) ? reviews.slides[name] : emptyReview());

/** A slide's review, to be changed. */
function openReview(name) {
  if (!Object.hasOwn(reviews.slides, name)) {
    // By definition and not by assignment: a slide may be named __proto__.
    Object.defineProperty(reviews.slides, name, { value: emptyReview(), enumerable: true, configurable: true });
  }
  return reviews.slides[name];
}

/** What was said of a cell: its type, what the classifier had called it, and when; null if nothing. */
function verdictOn(review, image) {
  return Object.hasOwn(review.cells, image) ? review.cells[image] : null;
}

/** A cell's type by this review, or else by one that was given back to the run, or else by the classifier. */
const typeNow = (review, cell) => verdictOn(review, cell.image)?.type ?? (cell.given || cell.type);

function setVerdict(review, image, verdict) {
  if (verdict === null) delete review.cells[image];
  else Object.defineProperty(review.cells, image, { value: verdict, enumerable: true, configurable: true, writable: true });
}

/** Give cells of a slide a type; `AS_LABELLED`: each its label's; null: confirm each as it is. A signature under what was before no longer holds. */
function giveType(slide, cells, type) {
  const review = openReview(slide.name);
  const time = new Date().toISOString();
  const before = cells.map((cell) => [cell.image, verdictOn(review, cell.image)]);
  let changed = 0;
  for (const cell of cells) {
    const wanted = type === AS_LABELLED ? labelOf(cell) : (type ?? typeNow(review, cell));
    if (wanted === null || wanted === verdictOn(review, cell.image)?.type) continue;
    setVerdict(review, cell.image, { type: wanted, previous: cell.type, time, place: cell.place });
    changed += 1;
  }
  if (!changed) return 0;
  review.log.push({ before, signed: review.signed });
  review.log.splice(0, review.log.length - MOST_UNDONE);
  review.signed = null;
  save();
  return changed;
}

/** Take the last change of a slide back. Returns the images that it was about. */
function undo(slide) {
  const review = openReview(slide.name);
  const last = review.log.pop();
  if (!last) return [];
  for (const [image, verdict] of last.before) setVerdict(review, image, verdict);
  review.signed = last.signed;
  save();
  return last.before.map(([image]) => image);
}

function sign(slide, reviewer, comment) {
  const review = openReview(slide.name);
  review.signed = { reviewer, time: new Date().toISOString() };
  review.comment = comment;
  save();
}

function withdrawSignature(slide) {
  openReview(slide.name).signed = null;
  save();
}

function setComment(slide, comment) {
  openReview(slide.name).comment = comment;
  save();
}

function setReviewer(reviewer) {
  reviews.reviewer = reviewer;
  save();
}

function load() {
  try {
    const kept = JSON.parse(localStorage.getItem(STORE) ?? "{}");
    reviews.reviewer = typeof kept.reviewer === "string" ? kept.reviewer : "";
    reviews.slides = {};
    for (const [name, review] of Object.entries(kept.slides ?? {})) Object.assign(openReview(name), review);
  } catch {
    storageWorks = false;
  }
}

function save() {
  try {
    localStorage.setItem(STORE, JSON.stringify(reviews));
    storageWorks = true;
  } catch {
    storageWorks = false;
  }
  showKept();
}

function showKept() {
  const kept = `Your review is kept in this browser, for ${night.chosen ? "these cells" : "this run"} alone. Download it to hand it on.`;
  const lost = "This browser keeps nothing. Download your corrections before you close the page.";
  const note = find("#kept");
  note.textContent = storageWorks ? kept : lost;
  note.classList.toggle("drift", !storageWorks);
}
